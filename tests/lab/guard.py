"""The lab's undertaker: a process of its own that waits for the end of the lab's owner and then removes everything.

The owner holds the write end of this process's standard input. However the owner ends (in order, by an exception, by
SIGKILL), the pipe closes, and every process in the lab's namespaces, the namespaces and the lab's directory go. It runs
in a session of its own and ignores the signals a terminal sends, so that Ctrl-C cannot take it along.

Usage: guard.py PREFIX DIRECTORY   (network namespaces are those whose name begins with PREFIX)
"""

import os
import shutil
import signal
import subprocess
import sys
import time

NAMED_NAMESPACES = "/run/netns"


def namespaces(prefix):
    try:
        return sorted(name for name in os.listdir(NAMED_NAMESPACES) if name.startswith(prefix))
    except FileNotFoundError:
        return []


def processes_in(namespace):
    """PIDs whose network namespace is the named one."""
    try:
        wanted = os.stat(f"{NAMED_NAMESPACES}/{namespace}")
    except OSError:
        return []
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            here = os.stat(f"/proc/{entry}/ns/net")
        except OSError:
            continue  # gone meanwhile
        if (here.st_dev, here.st_ino) == (wanted.st_dev, wanted.st_ino):
            found.append(int(entry))
    return found


def kill_all_in(namespace, timeout=10.0):
    """Kills until nobody is left: a process may fork while it is being looked for."""
    deadline = time.monotonic() + timeout
    while (pids := processes_in(namespace)) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.005)


def remove(prefix, directory):
    while names := namespaces(prefix):
        for name in names:
            kill_all_in(name)
            subprocess.run(["ip", "netns", "delete", name], check=False)
        if namespaces(prefix) == names:
            print(f"guard: cannot remove {', '.join(names)}", file=sys.stderr)
            break
    shutil.rmtree(directory, ignore_errors=True)
    return not namespaces(prefix)


def main():
    prefix, directory = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()  # returns when the owner has gone, or has closed its end
    return 0 if remove(prefix, directory) else 1


if __name__ == "__main__":
    sys.exit(main())
