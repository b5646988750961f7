"""How the demo looks: headings, prompts, and commands whose output is shown while it is kept. Knows nothing of the lab.

On a terminal, commands get a terminal too (so that they colour their output), and there is a moment to read each step;
elsewhere there is neither, and NO_COLOR turns colours off.
"""

import errno
import fcntl
import os
import re
import subprocess
import sys
import termios
import time

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_INDENT = "    "


class Screen:
    def __init__(self):
        self._terminal = sys.stdout.isatty()
        self._colour = self._terminal and not os.environ.get("NO_COLOR")
        self._steps = 0

    def _paint(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def step(self, title):
        self._pause(1.5)
        self._steps += 1
        print("\n" + self._paint("1;36", f"{self._steps}. {title}") + "\n", flush=True)

    def say(self, sentence):
        self._pause(0.8)
        print(f"  {sentence}\n", flush=True)

    def text(self, text):
        print("".join(f"{_INDENT}{line}\n" for line in text.rstrip("\n").splitlines()), flush=True)

    def prompt(self, host, command):
        self._pause(0.4)
        print(f"  {self._paint('1;33', host)} # {self._paint('1', command)}", flush=True)

    def done(self, sentence):
        print("\n" + self._paint("1;32", sentence), flush=True)

    def run(self, argv, environment):
        """Shows the output, indented, while it comes. Returns (exit status, output without colours)."""
        ours, theirs = os.openpty() if self._terminal else os.pipe()
        if self._terminal:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, fcntl.ioctl(sys.stdout, termios.TIOCGWINSZ, bytes(8)))
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment) as process:
            os.close(theirs)
            lines = []
            with open(ours, "rb", buffering=0) as output:
                for line in _lines(output):
                    lines.append(_ESCAPES.sub("", line))
                    print(f"{_INDENT}{line}", flush=True)
        print(flush=True)
        return process.returncode, "\n".join(lines)

    def _pause(self, seconds):
        if self._terminal:
            time.sleep(seconds)


def _lines(output):
    """Lines of text, without their ends. A terminal whose last user has gone reads as EIO."""
    rest = b""
    while True:
        try:
            data = output.read(65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        if not data:
            break
        *complete, rest = (rest + data).split(b"\n")
        yield from (line.rstrip(b"\r").decode(errors="replace") for line in complete)
    if rest:
        yield rest.decode(errors="replace")
