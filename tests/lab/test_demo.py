"""The demo does what it says, notices when a program does not, and cleans up when it is interrupted."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from lab import wait_until
from lab.guard import namespaces
from lab.programs import program

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DEMO = [sys.executable, "-m", "lab.demo"]


def run_demo(prefix):
    return subprocess.run(DEMO, cwd=TESTS, env={**os.environ, "DSR_PREFIX": str(prefix)}, capture_output=True, text=True,
                          timeout=100, stdin=subprocess.DEVNULL, check=False)


def test_every_step_of_the_demo_does_what_it_claims():
    done = run_demo(os.environ["DSR_PREFIX"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every step did what it claimed" in done.stdout
    assert "\x1b" not in done.stdout  # not a terminal: no colours


def test_the_demo_fails_when_verify_proves_everything(tmp_path):
    """A verify that cannot fail must not get through the step in which a server is broken."""
    (tmp_path / "sbin").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("lb", "serverprep"):
        shutil.copy(program(name), tmp_path / "sbin")
    credulous = tmp_path / "bin" / "verify"
    credulous.write_text("#!/bin/sh\necho proved\n")
    credulous.chmod(0o755)
    done = run_demo(tmp_path)
    assert done.returncode == 1, done.stdout
    assert "demo failed: 'verify" in done.stderr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_an_interrupted_demo_leaves_nothing(end):
    before = set(namespaces("dsr-"))
    with subprocess.Popen(DEMO, cwd=TESTS, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as demo:
        assert any(line.startswith("4. ") for line in demo.stdout), "lb is running by now"
        mine = set(namespaces("dsr-")) - before
        assert len(mine) >= 7
        demo.send_signal(end)
        demo.stdout.read()
    assert demo.returncode == (-end if end == signal.SIGKILL else 130)
    wait_until(lambda: not mine & set(namespaces("dsr-")), "the demo's namespaces are gone", timeout=20)
