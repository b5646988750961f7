"""serverprep undoes exactly whatever it finds: random hosts, VIPs of both types, removed in random order, at times by several
processes at once. The seed is fixed, so that a failure comes again; the time is bounded. And: 200 VIPs in one call."""

import json
import random
import resource
import subprocess
import time

import pytest

from .prepared_host import Host

SEED = 20260
SECONDS = 12
POOL = [f"203.0.113.{number}" for number in range(10, 16)]
LOAD_BALANCERS = ["10.0.0.2", "10.0.0.3", "10.0.0.128/25"]


class RandomHost:
    def __init__(self, host, random):
        self.host, self.random = host, random

    def disorder(self):
        """Settings, links, addresses and filters of somebody else, as a host may have them."""
        roll, commands = self.random, []
        commands.append(f"sysctl -q -w net.ipv4.ip_forward={roll.choice((0, 1))}")
        for where in ("all", "default", "eth0", "eth1"):
            for key, values in (("arp_ignore", (0, 1, 2, 3)), ("arp_announce", (0, 1, 2)), ("rp_filter", (0, 1, 2)),
                                ("send_redirects", (0, 1)), ("accept_redirects", (0, 1)), ("forwarding", (0, 1))):
                if (where, key) != ("all", "forwarding") and roll.random() < 0.5:
                    commands.append(f"sysctl -q -w net.ipv4.conf.{where}.{key}={roll.choice(values)}")
        commands.append(f"ip link set lo {roll.choice(('up', 'up', 'up', 'down'))} arp {roll.choice(('on', 'off'))}")
        for address in roll.sample(POOL + ["198.51.100.77"], roll.choice((0, 0, 1, 2))):
            scope, label = roll.choice(("host", "global")), roll.choice(("", " label lo:0", " label lo:1"))
            commands.append(f"ip address add {address}/32 dev lo scope {scope}{label}")
        for link in ("eth0", "eth1"):
            if roll.random() < 0.5:
                commands.append(f"tc qdisc add dev {link} clsact")
                for way in ("ingress", "egress"):
                    if roll.random() < 0.5:
                        commands.append(f"tc filter add dev {link} {way} pref {roll.choice((5, 90))} bpf bytecode '1,6 0 0 0,'")
        self.host.run("sh", "-ec", "\n".join(commands))
        return commands

    def options(self, vip):
        roll = self.random
        options = ["--vip", vip, "--interface", roll.choice(("eth0", "eth0", "eth1"))]
        if roll.random() < 0.3:
            options.append("--no-ip-forward")
        if roll.random() < 0.6:
            options += ["--dsr-type", "l3", "--decap", "bpf"]
            for balancer in roll.sample(LOAD_BALANCERS, roll.choice((0, 1, 2))):
                options += ["--load-balancer", balancer]
        return options

    def at_once(self, calls):
        """Calls of serverprep that run at the same time."""
        runs = [subprocess.Popen(["ip", "netns", "exec", self.host.name, *self.host.command(*call)], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for call in calls]
        for call, run in zip(calls, runs):
            output = run.communicate(timeout=60)[0]
            assert run.returncode == 0, f"{call}: {output}"

    def in_batches(self, calls):
        calls = list(calls)
        while calls:
            size = self.random.choice((1, 1, 2, 3))
            self.at_once(calls[:size])
            del calls[:size]


def test_whatever_was_there_is_there_again(tmp_path):
    generator = random.Random(SEED)
    deadline, rounds = time.monotonic() + SECONDS, 0
    while rounds < 3 or time.monotonic() < deadline:
        host = Host(str(tmp_path / str(rounds)))
        try:
            host.set_up()
            trial = RandomHost(host, generator)
            said = trial.disorder()
            before = host.dump()
            vips = generator.sample(POOL, generator.choice((1, 2, 3, 4)))
            calls = {vip: trial.options(vip) for vip in vips}
            trial.in_batches(calls.values())
            for call in calls.values():
                outcome = host.serverprep(*call, "--check", "--json")
                assert outcome.json["steps"] == [], (rounds, said, calls, outcome.json)
            generator.shuffle(vips)
            trial.in_batches(["--vip", vip, "--remove"] for vip in vips)
            assert host.dump() == before, (rounds, said, calls, vips)
            assert json.loads(host.serverprep("--remove", "--json").stdout)["steps"] == []
        finally:
            host.tear_down()
        rounds += 1


MANY = [f"198.18.{number // 100}.{number % 100 + 1}" for number in range(200)]


@pytest.mark.parametrize("layer", [(), ("--dsr-type", "l3", "--decap", "bpf", "--load-balancer", "10.0.0.2")], ids=["l2", "l3"])
def test_200_vips_take_less_than_a_second_of_processor_time(host, layer):
    def seconds():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    options = [word for vip in MANY for word in ("--vip", vip)] + [*layer]
    before, started = host.dump(), seconds()
    host.serverprep(*options)
    assert seconds() - started < 1
    prepared = host.dump()
    assert set(host.addresses("lo")) >= {f"{vip}/32" for vip in MANY}
    outcome = host.serverprep(*options, "--json")
    assert outcome.json["steps"] == [] and outcome.json["findings"] == []
    assert host.dump() == prepared
    host.serverprep("--remove")
    assert host.dump() == before
