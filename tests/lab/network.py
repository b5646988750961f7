"""The lab itself: brings up the hosts and bridges of a topology, and takes all of it down again, whatever happens.

    with Lab(flat()) as lab:
        lab["client"].run("ping", "-c1", lab["s1"].address)

Every bridge lives in one further namespace ("net") of the lab. veth devices keep their default offloads, as a real
user's do: what crosses the lab are super-frames with unfinished checksums. IPv6 is off, to keep captures quiet.
"""

import os
import secrets
import subprocess
import sys
import tempfile

from .host import KERNEL_DEFAULTS, CommandFailed, Host
from .topology import Node


class Lab:
    def __init__(self, topology, private=("/etc", "/var")):
        """`private`: directories of which each host gets a copy-on-write view of its own, beside /run."""
        self.topology = topology
        self.vip = topology.vip
        self.prefix = f"dsr-{secrets.token_hex(3)}-"
        self.hosts = {}
        self._private = private
        self._guard = None

    # -- life ------------------------------------------------------------------------------------------------------

    def __enter__(self):
        if os.geteuid() != 0:
            raise CommandFailed("the lab needs root: it makes network namespaces")
        self.directory = tempfile.mkdtemp(prefix="dsr-lab-")
        os.chmod(self.directory, 0o755)
        self._guard = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(__file__), "guard.py"), self.prefix, self.directory],
            stdin=subprocess.PIPE, start_new_session=True)
        try:
            self._bring_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Stops what runs in order, then lets the guard remove the rest. May be called again."""
        if self._guard is None:
            return
        guard, self._guard = self._guard, None
        try:
            for host in reversed(self.hosts.values()):
                host.stop()
        finally:
            guard.stdin.close()
            if guard.wait(timeout=30) != 0:
                raise CommandFailed(f"the guard could not remove the lab {self.prefix}*")

    # -- what is in it ---------------------------------------------------------------------------------------------

    def __getitem__(self, name):
        return self.hosts[name]

    @property
    def lb(self):
        return self.hosts["lb"]

    @property
    def client(self):
        return self.hosts["client"]

    @property
    def clients(self):
        return [self.hosts[name] for name in self.topology.clients]

    @property
    def servers(self):
        return [self.hosts[name] for name in self.topology.servers]

    # -- bringing up -----------------------------------------------------------------------------------------------

    def _bring_up(self):
        switch = Host(Node("net", ()), self.prefix + "net", f"{self.directory}/net", private=("/etc",))
        self.hosts["net"] = switch
        self._settle(switch)
        batch = [f"link add br-{segment} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n"
                 f"link set br-{segment} up" for segment in self.topology.segments]
        self._batch(switch, batch)
        for node in self.topology.nodes:
            host = Host(node, self.prefix + node.name, f"{self.directory}/{node.name}", self._private)
            self.hosts[node.name] = host
            self._settle(host)
            self._connect(host, switch)

    @staticmethod
    def _settle(host):
        """Kernel defaults and no IPv6, before there is any interface but lo. ip_forward comes first: writing it resets
        other settings."""
        settings = [("ipv4/ip_forward", int(host.node.forwards))]
        settings += [(f"ipv4/conf/{where}/{key}", value)
                     for key, value in KERNEL_DEFAULTS.items() for where in ("all", "default", "lo")]
        if os.path.exists("/proc/sys/net/ipv6"):
            settings += [(f"ipv6/conf/{where}/disable_ipv6", 1) for where in ("all", "default", "lo")]
        host.run("sh", "-ec", "\n".join(f"echo {value} > /proc/sys/net/{name}" for name, value in settings))

    def _connect(self, host, switch):
        outside, inside = [], []
        for number, link in enumerate(host.node.links):
            port = host.name if number == 0 else f"{host.name}-{number}"
            outside.append(f"link add {port} type veth peer name eth{number} address {link.mac} netns {host.namespace}\n"
                           f"link set {port} master br-{link.segment} up")
            inside.append(f"link set eth{number} up\naddress add {link.address} brd + dev eth{number}")
        self._batch(switch, outside)
        if host.node.gateway:
            inside.append(f"route add default via {host.node.gateway}")
        self._batch(host, ["link set lo up", *inside])

    @staticmethod
    def _batch(host, lines):
        done = subprocess.run(["ip", "-netns", host.namespace, "-batch", "-"], input="\n".join(lines) + "\n", text=True,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise CommandFailed(f"{host.name}: ip -batch: {done.stderr}\n" + "\n".join(lines))
