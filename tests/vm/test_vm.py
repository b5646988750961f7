"""The harness keeps its own promises: a guest that dies is noticed at once, and nothing stays when the test is killed."""

import glob
import os
import signal
import subprocess
import sys
import time

import pytest

from lab import CommandFailed, wait_until
from lab.guard import namespaces
from vm import VirtualMachine
from conftest import LB_LINK

pytestmark = pytest.mark.timeout(600)

VM_TESTS = os.path.dirname(os.path.abspath(__file__))

OWNER = """
import dataclasses, sys, time
from lab import Lab, flat
import image, vm
from conftest import LB_LINK
topology = dataclasses.replace(flat(), nodes=flat().nodes[:1])
with Lab(topology) as lab, vm.VirtualMachine(lab, LB_LINK, image.build(lab.directory), "virtio-net-pci") as machine:
    print(lab.prefix, lab.directory, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def own_vm(lab, image):
    with VirtualMachine(lab, LB_LINK, image, "virtio-net-pci") as machine:
        yield machine


def test_a_guest_whose_kernel_panics_fails_the_command_with_its_console(own_vm):
    begin = time.monotonic()
    with pytest.raises(CommandFailed, match="sysrq triggered crash"):
        own_vm.run("echo c > /proc/sysrq-trigger", timeout=200)
    assert time.monotonic() - begin < 100


def test_status_and_both_outputs_of_a_command_come_back_and_its_time_is_limited(own_vm):
    done = own_vm.run("echo out; echo err >&2; exit 3", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    with pytest.raises(CommandFailed, match="ended with 3"):
        own_vm.run("exit 3")
    assert own_vm.run("sleep 1000", check=False, timeout=2).returncode == 137
    own_vm.write("/run/text", "it's 100% \"so\"\n" * 5000)
    assert own_vm.read("/run/text") == "it's 100% \"so\"\n" * 5000


def qemu_processes(directory):
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                command = file.read()
        except OSError:
            continue  # gone meanwhile
        if command.startswith(b"qemu") and directory.encode() in command:
            found.append(path)
    return found


def test_when_the_test_is_killed_the_machine_and_its_network_go():
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "PYTHONPATH": f"{VM_TESTS}:{os.path.dirname(VM_TESTS)}"})
    prefix, directory = owner.stdout.readline().split()
    assert qemu_processes(directory)
    owner.send_signal(signal.SIGKILL)
    owner.wait(10)
    wait_until(lambda: not (qemu_processes(directory) or namespaces(prefix) or os.path.exists(directory)),
               "all of it is gone", 30)
