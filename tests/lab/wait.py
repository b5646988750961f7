"""Waiting for a condition with a deadline: the only place of the lab where time is allowed to pass."""

import time


class DeadlineMissed(AssertionError):
    """A condition did not come true in time."""


def wait_until(condition, what, timeout=10.0, interval=0.01):
    """Calls `condition` until it returns something true, and returns that.

    `what` completes the sentence "gave up waiting until …". An OSError of the condition counts as "not yet" and is
    quoted when the deadline passes.
    """
    deadline = time.monotonic() + timeout
    last_error = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last_error = None
        except OSError as error:
            last_error = error
        if time.monotonic() >= deadline:
            because = f": {last_error}" if last_error else ""
            raise DeadlineMissed(f"gave up after {timeout:g} s waiting until {what}{because}")
        time.sleep(interval)
