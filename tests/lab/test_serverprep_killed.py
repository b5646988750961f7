"""serverprep killed (SIGKILL) before each of its changes of the kernel and of its state file in turn, by strace: the next run
completes, or --remove restores exactly. Both of preparing and of removing, Layer 2 and Layer 3."""

import re
import signal
import subprocess

import pytest

from .prepared_host import VIP, Host

pytestmark = pytest.mark.timeout(400)  # some hundred runs

LAYERS = {"l2": ["--vip", VIP, "--interface", "eth0"],
          "l3": ["--vip", VIP, "--dsr-type", "l3", "--decap", "bpf", "--load-balancer", "10.0.0.2"]}
TRACED = "sendmsg,sendto,bpf,openat,write,rename,unlink"
# What changes something: requests that are no questions, programs that are loaded, files written or replaced.
CHANGES = re.compile(r"^(?:\d+ +)?(?:(?:sendmsg|sendto)\(.*RTM_(?:NEW|SET|DEL)"
                     r"|bpf\(BPF_PROG_LOAD|write\(\d+, \"|(?:rename|unlink)\(|openat\(.*O_(?:WRONLY|RDWR))")


def set_up(directory):
    host = Host(str(directory))
    try:
        host.set_up()
        # Of somebody else, to be left alone: a filter that matches nothing, and a qdisc for it.
        host.run("tc", "qdisc", "add", "dev", "eth1", "clsact")
        host.run("tc", "filter", "add", "dev", "eth1", "ingress", "pref", "5", "bpf", "bytecode", "1,6 0 0 0,")
    except BaseException:
        host.tear_down()
        raise
    return host


@pytest.fixture
def host(tmp_path):
    made = set_up(tmp_path)
    yield made
    made.tear_down()


def strace(host, log, *words):
    """Runs under strace; the status as subprocess has it."""
    return subprocess.run(["ip", "netns", "exec", host.name, "strace", "-o", log, "-s", "64", *words], text=True,
                          capture_output=True, timeout=60).returncode


def changes(log):
    """[(system call, which one of its kind)] of the changes of a run, in order."""
    counts, found = {}, []
    with open(log, encoding="utf-8", errors="replace") as file:
        for line in file:
            if not (call := re.match(r"(?:\d+ +)?(\w+)\(", line)):
                continue
            counts[call[1]] = counts.get(call[1], 0) + 1
            if CHANGES.match(line):
                found.append((call[1], counts[call[1]]))
    return found


def prepare(host, layer):
    host.serverprep(*LAYERS[layer])


@pytest.mark.parametrize("what", ["prepare", "remove"])
@pytest.mark.parametrize("layer", LAYERS)
def test_killed_before_any_change_nothing_is_lost(host, tmp_path, layer, what):
    options = LAYERS[layer] if what == "prepare" else ["--remove"]
    log = str(tmp_path / "strace")
    before = host.dump()
    if what == "remove":
        prepare(host, layer)
    assert strace(host, log, "-e", f"trace={TRACED}", *host.command(*options)) == 0
    points = changes(log)
    assert len(points) >= {"l2": 10, "l3": 14}[layer], points
    host.serverprep("--remove")
    assert host.dump() == before

    for number, (call, count) in enumerate(points):
        if what == "remove":
            prepare(host, layer)
        inject = f"inject={call}:signal=KILL:when={count}"
        status = strace(host, log, "-e", f"trace={call}", "-e", inject, *host.command(*options))
        assert status in (-signal.SIGKILL, 128 + signal.SIGKILL), f"{call} {count}: ended with {status}"
        if number % 2:  # the next run completes
            host.serverprep(*options)
            if what == "prepare":
                assert host.serverprep(*LAYERS[layer], "--check", "--json").json["findings"] == []
        if what == "prepare" or not number % 2:
            host.serverprep("--remove")
        assert host.dump() == before, f"killed before {call} number {count}"
