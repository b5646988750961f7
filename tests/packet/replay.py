"""Sends scapy packets through `lb replay` and gives back frames, verdicts and counts."""

import json
import os
import subprocess

import yaml
from scapy.all import ARP, Ether, IP, TCP, UDP, rdpcap, wrpcap

LB = "02:00:00:00:00:02"
LB_SERVER_SIDE = "02:00:00:00:01:02"
CLIENT = "02:00:00:00:00:50"
SERVERS = {"10.0.0.11": "02:00:00:00:00:11", "10.0.0.12": "02:00:00:00:00:12"}
CLIENT_IP = "10.0.0.50"
VIP = "10.0.0.100"
LB_IP = "10.0.0.2"  # towards the servers
ROUTER, ROUTER_IP = "02:00:00:00:00:01", "10.0.0.1"


def config(**load_balancer):
    """One arm, TCP 80 and UDP 53 on two servers. Keywords replace keys of the section load_balancer."""
    return {
        "load_balancer": {
            "interfaces": [{"name": "eth0", "address": "10.0.0.2/24", "mac": LB, "mtu": 1500}],
            "neighbors": [{"address": address, "mac": mac} for address, mac in SERVERS.items()],
            **load_balancer,
        },
        "network_profiles": [
            {"name": "tcp", "type": "tcp_fast_path", "dsr_profile": {"dsr_type": "l2"}},
            {"name": "udp", "type": "udp_fast_path", "session_idle_timeout": 10, "dsr_profile": {"dsr_type": "l2"}},
        ],
        "pools": [{"name": "web", "servers": [{"address": address} for address in SERVERS]}],
        "virtual_services": [
            {"name": "web", "vip": VIP, "ports": [80], "network_profile": "tcp", "pool": "web"},
            {"name": "dns", "vip": VIP, "ports": [53], "network_profile": "udp", "pool": "web"},
        ],
    }


def layer3(configuration=None, **dsr_profile):
    """The same through IP-in-IP tunnels. Keywords are further keys of the section dsr_profile."""
    configuration = configuration or config()
    for profile in configuration["network_profiles"]:
        profile["dsr_profile"] = {"dsr_type": "l3", **dsr_profile}
    return configuration


def two_arms(client_mtu=1500, server_mtu=1500):
    """Clients on one interface, servers on the other."""
    return config(interfaces=[
        {"name": "eth0", "address": "192.0.2.2/24", "mac": LB, "mtu": client_mtu},
        {"name": "eth1", "address": "10.0.0.2/24", "mac": LB_SERVER_SIDE, "mtu": server_mtu},
    ])


def far_servers():
    """Two servers behind a router, by Layer 3."""
    configuration = layer3(config(
        interfaces=[{"name": "eth0", "address": "10.0.0.2/24", "mac": LB, "mtu": 1500, "gateway": ROUTER_IP}],
        neighbors=[{"address": ROUTER_IP, "mac": ROUTER}]))
    configuration["pools"][0]["servers"] = [{"address": "172.16.0.11"}, {"address": "172.16.0.12"}]
    return configuration


def at(second, packet):
    """The packet as captured at that time; lb replay's clock is the capture's."""
    packet.time = 1_700_000_000 + second
    return packet


def tunnelled(inner, server, source=LB_IP, mac=None, lb=LB, **fields):
    """The frame that carries `inner` (IP, as bytes or scapy's) to a server, as scapy builds it. DF must be set."""
    inner = IP(bytes(inner))
    assert inner.flags.DF
    outer = IP(src=source, dst=server, ttl=64, tos=inner.tos, flags="DF", id=0, **fields)
    return Ether(dst=mac or SERVERS[server], src=lb) / outer / inner


class Replay:
    """frames: what lb would transmit; verdicts: one dict a received frame; counts: the JSON document."""

    def __init__(self, directory, packets, configuration=None):  # packets: scapy's, or bytes
        paths = {name: str(directory / name) for name in ("dsr.yaml", "in.pcap", "out.pcap", "verdicts.ndjson")}
        with open(paths["dsr.yaml"], "w", encoding="utf-8") as file:
            yaml.safe_dump(configuration or config(), file, sort_keys=False)
        wrpcap(paths["in.pcap"], packets, linktype=1)
        done = run("replay", "--config", paths["dsr.yaml"], "--in", paths["in.pcap"], "--out", paths["out.pcap"],
                   "--verdicts", paths["verdicts.ndjson"], "--json")
        assert done.returncode == 0, done.stderr
        self.counts = json.loads(done.stdout)
        self.frames = list(rdpcap(paths["out.pcap"]))
        with open(paths["verdicts.ndjson"], encoding="utf-8") as file:
            self.verdicts = [json.loads(line) for line in file]
        self._check(packets)

    def _check(self, packets):
        counts = self.counts
        ended = counts["forwarded"] + counts["answered"] + counts["passed"] + sum(counts["dropped"].values())
        assert counts["received"] == len(packets) == ended == len(self.verdicts), counts
        assert [verdict["frame"] for verdict in self.verdicts] == list(range(1, len(packets) + 1))
        for name in ("forwarded", "answered", "passed"):
            assert counts[name] == sum(verdict["verdict"] == name for verdict in self.verdicts), name
        for reason, count in counts["dropped"].items():
            assert count == sum(verdict["reason"] == reason for verdict in self.verdicts), reason

    def only_reason(self):
        """The one reason for which everything was dropped."""
        assert self.frames == []
        (reason,) = {verdict["reason"] for verdict in self.verdicts}
        return reason


def run(*arguments):
    return subprocess.run([os.path.join(os.environ["DSR_PREFIX"], "sbin", "lb"), *map(str, arguments)],
                          capture_output=True, text=True, timeout=60, check=False)


def to_lb(layer, source=CLIENT):
    return Ether(dst=LB, src=source) / layer


def tcp(sport=40000, dport=80, flags="S", **fields):
    return IP(src=CLIENT_IP, dst=VIP) / TCP(sport=sport, dport=dport, flags=flags, **fields)


def udp(sport=40000, dport=53, payload=b"query"):
    return IP(src=CLIENT_IP, dst=VIP) / UDP(sport=sport, dport=dport) / payload


def who_has(address, sender=CLIENT_IP, mac=CLIENT):
    return Ether(dst="ff:ff:ff:ff:ff:ff", src=mac) / ARP(op=1, hwsrc=mac, psrc=sender, pdst=address)


def valid(packet):
    """Scapy computes the same lengths and checksums as the packet carries."""
    fresh = packet.copy()
    for layer, fields in ((IP, ("len", "chksum")), (TCP, ("chksum",)), (UDP, ("len", "chksum"))):
        if layer in fresh:
            for field in fields:
                delattr(fresh[layer], field)
    return bytes(fresh) == bytes(packet)
