"""A host for tests of serverprep alone: a network namespace without a lab around it, cheap to make for every test, whose whole IPv4
state can be compared. The fixture `host` is one."""

import itertools
import json
import os
import subprocess
import sys

from .programs import program

VIP = "203.0.113.10"
SECOND_VIP = "203.0.113.11"
_numbers = itertools.count()

# Runs in the mount namespace that `ip netns exec` makes: what is mounted here is seen by serverprep alone.
OVER_MOUNT = """
import os, subprocess, sys
source, target, options, *command = sys.argv[1:]
subprocess.run(["mount", "--bind", source, target], check=True)
if options:
    subprocess.run(["mount", "-o", options, target], check=True)
os.execv(command[0], command)
"""


class Host:
    """A pool server: eth0 10.0.0.11/24 with the default route, eth1 192.168.5.11/24. Settings are unlike what any reset
    would give, so that an inexact undo shows."""

    def __init__(self, directory):
        self.name = f"sp-{os.getpid()}-{next(_numbers)}"
        self.state = os.path.join(directory, "state")
        subprocess.run(["ip", "netns", "add", self.name], check=True)

    def set_up(self):
        self.ip("link add eth0 type veth peer name peer0")
        self.ip("link add eth1 type veth peer name peer1")
        for link in ("lo", "eth0", "peer0", "eth1", "peer1"):
            self.ip(f"link set {link} up")
        self.ip("addr add 10.0.0.11/24 dev eth0")
        self.ip("addr add 192.168.5.11/24 dev eth1")
        self.ip("route add default via 10.0.0.1")
        settings = {"all.rp_filter": 0, "eth0.rp_filter": 1, "all.arp_ignore": 0, "all.arp_announce": 0,
                    "eth0.arp_ignore": 0, "eth0.arp_announce": 0, "all.send_redirects": 1, "eth0.send_redirects": 1}
        self.sysctl("net.ipv4.ip_forward=0", *(f"net.ipv4.conf.{key}={value}" for key, value in settings.items()))
        self.sysctl("net.ipv4.conf.eth1.forwarding=1", "net.ipv4.conf.all.accept_redirects=0")

    def tear_down(self):
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def run(self, *command):
        return subprocess.run(["ip", "netns", "exec", self.name, *command], check=True, text=True, capture_output=True).stdout

    def ip(self, arguments):
        return self.run("ip", *arguments.split())

    def sysctl(self, *assignments):
        self.run("sysctl", "-q", "-w", *assignments)

    def value(self, key):
        return int(self.run("sysctl", "-n", f"net.ipv4.{key}"))

    def addresses(self, link):
        """{address/length: its entry} of a link, as ip(8) sees it."""
        entries = json.loads(self.ip(f"-4 -j addr show dev {link}"))[0]["addr_info"]
        return {f"{entry['local']}/{entry['prefixlen']}": entry for entry in entries}

    def flags(self, link):
        return json.loads(self.ip(f"-j link show dev {link}"))[0]["flags"]

    def dump(self):
        """All of the host's IPv4 that serverprep could possibly touch."""
        conf = self.run("sysctl", "-a", "--pattern", r"^net\.ipv4\.(ip_forward|conf)")
        routes = self.ip("-4 route show table all")
        qdiscs = self.run("tc", "qdisc", "show")
        filters = [self.run("tc", "filter", "show", "dev", link, way) for link in ("eth0", "eth1") for way in ("ingress", "egress")]
        return (sorted(conf.splitlines()), self.ip("-d -4 addr show"), sorted(routes.splitlines()), self.ip("-o link show"), qdiscs,
                filters)

    def command(self, *arguments):
        return [program("serverprep"), "--state-dir", self.state, *arguments]

    def serverprep(self, *arguments, expect=0, wrap=(), user=()):
        """Runs serverprep; the outcome with `.json` decoded when it was asked for."""
        done = subprocess.run(["ip", "netns", "exec", self.name, *wrap, *user, *self.command(*arguments)], text=True,
                              capture_output=True, timeout=30)
        assert done.returncode == expect, f"{arguments} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        done.json = json.loads(done.stdout) if "--json" in arguments else None
        return done

    def over_mount(self, source, target, options=""):
        return [sys.executable, "-c", OVER_MOUNT, source, target, options]
