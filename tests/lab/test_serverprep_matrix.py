"""The fault matrix, column serverprep: on a prepared pool server with its services running, each row is broken alone. The row
is named by --check, nothing else is, the fix that is printed heals it, and so does --fix where serverprep has steps for it.
Under Layer 2 and, where the row has to do with it, under Layer 3 (BPF: tunnel devices are in tests/vm)."""

import contextlib
import dataclasses
import sys

import pytest

from lab import Lab, Link, Topology, wait_until
from lab.programs import LoadBalancer, lb_config, pcap_only, serverprep, write_config
from lab.services import Nginx, UdpEcho
from lab.topology import Node

VIP, LB, ROUTER = "10.0.0.100", "10.0.0.2", "10.0.0.1"
SIDE_ROUTER = "10.9.0.1"
TYPES = ("l2", "l3")

# A listener that does nothing. The port is of the configuration, beside those of nginx and of the echo service.
EXTRA_PORT = 8080
LISTENER = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
sys.stdin.read()
"""


def two_armed():
    """A server with a second interface, and a router on both of its segments. Clients are of no interest here."""
    return Topology(
        nodes=(
            Node("lb", (Link("lan", f"{LB}/24"),), gateway=ROUTER),
            Node("s1", (Link("lan", "10.0.0.11/24"), Link("side", "10.9.0.11/24")), gateway=ROUTER),
            Node("router", (Link("lan", f"{ROUTER}/24"), Link("side", f"{SIDE_ROUTER}/24")), forwards=True),
        ),
        vip=VIP, clients=(), servers=("s1",), drawing="")


@pytest.fixture(scope="module")
def matrix_lab():
    with Lab(two_armed()) as lab:
        Nginx(lab["s1"])
        UdpEcho(lab["s1"])
        yield lab


class PoolServer:
    """s1, prepared by the configuration file for one test."""

    def __init__(self, lab, dsr_type):
        self.lab, self.host, self.dsr_type = lab, lab["s1"], dsr_type
        self.configure()

    def configure(self, ports=(), mtu=1500, load_balancer=LB):
        config = lb_config(self.lab, self.dsr_type)
        config["load_balancer"]["interfaces"][0]["mtu"] = mtu
        config["virtual_services"] += [{"name": f"extra-{port}", "vip": VIP, "ports": [port], "pool": "servers",
                                        "network_profile": f"tcp-{self.dsr_type}"} for port in ports]
        self.options = ["--config", write_config(self.lab, config, "matrix.yaml")]
        if load_balancer:
            self.options += ["--load-balancer", load_balancer]

    def sh(self, *commands):
        for command in commands:
            self.host.run("sh", "-ec", command)

    def serverprep(self, *arguments, status=0):
        outcome = serverprep(self.host, *self.options, *arguments)
        assert outcome.status == status, f"{arguments}: {outcome}"
        return outcome

    def findings(self):
        return serverprep(self.host, *self.options, "--check").json["findings"]


@contextlib.contextmanager
def pool_server(lab, dsr_type):
    server = PoolServer(lab, dsr_type)
    before = lab["s1"].ip("-d -4 addr show"), lab["s1"].ip("route")
    try:
        yield server
    finally:
        server.host.run("sh", "-c", f"""
            serverprep --remove
            nft flush ruleset
            ip address delete {VIP}/32 dev lo; ip address delete {VIP}/24 dev lo
            ip address delete {VIP}/32 dev eth0; ip address delete {VIP}/24 dev eth0
            tc qdisc delete dev eth0 clsact; tc qdisc delete dev eth1 clsact
            ip link set eth0 mtu 1500 up; ip link set lo up
            ip route flush root 0/0 proto boot
            ip route add default via {ROUTER}
            sysctl -q -w net.ipv4.ip_forward=0
            for key in arp_ignore arp_announce rp_filter; do for where in all eth0 eth1 lo; do
                sysctl -q -w net.ipv4.conf.$where.$key=0
            done; done
            sysctl -q -w net.ipv4.conf.all.send_redirects=1 net.ipv4.conf.eth0.send_redirects=1
        """, check=False)
        assert (server.host.ip("-d -4 addr show"), server.host.ip("route")) == before


@pytest.fixture(params=TYPES)
def server(matrix_lab, request):
    with pool_server(matrix_lab, request.param) as server:
        yield server


# -- the rows ----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Row:
    id: str
    name: str  # of the way to break it
    breaks: tuple  # shell commands
    before: tuple = ()  # shell commands before the server is prepared
    types: tuple = TYPES
    severity: str = "error"
    steps: bool = True  # serverprep has steps: --fix heals
    heal: tuple = ()  # where the fix is a sentence: shell commands that do what it says
    config: dict = dataclasses.field(default_factory=dict)  # for PoolServer.configure
    status: int = 3

    def __str__(self):
        return f"{self.id}-{self.name}" if self.name else self.id


def conf(where, key, value):
    return f"sysctl -q -w net.ipv4.conf.{where}.{key}={value}"


L3 = ("l3",)
ROWS = [
    Row("vip-missing", "", (f"ip address delete {VIP}/32 dev lo",)),
    Row("vip-missing", "lo-down", ("ip link set lo down",)),
    Row("vip-prefix", "beside", (f"ip address add {VIP}/24 dev lo",)),
    Row("vip-prefix", "instead", (f"ip address delete {VIP}/32 dev lo", f"ip address add {VIP}/24 dev lo")),
    Row("vip-on-interface", "beside", (f"ip address add {VIP}/32 dev eth0",)),
    Row("vip-on-interface", "instead", (f"ip address delete {VIP}/32 dev lo", f"ip address add {VIP}/24 dev eth0")),
    Row("arp-ignore", "0", (conf("all", "arp_ignore", 0),)),
    Row("arp-ignore", "3-with-a-global-vip", (conf("all", "arp_ignore", 3),), before=(f"ip address add {VIP}/32 dev lo",)),
    Row("arp-ignore", "8", (conf("eth0", "arp_ignore", 8),)),
    Row("arp-announce", "0", (conf("all", "arp_announce", 0),)),
    Row("arp-announce", "1", (conf("all", "arp_announce", 1),)),
    Row("rp-filter", "default-leaves-elsewhere", (conf("eth0", "rp_filter", 1),),
        before=(f"ip route replace default via {SIDE_ROUTER} dev eth1",)),
    Row("rp-filter", "harmless-here", (conf("eth0", "rp_filter", 1),), severity="warning"),
    Row("tunnel-down", "filter-deleted", ("tc filter delete dev eth0 ingress",), types=L3),
    Row("tunnel-down", "clsact-deleted", ("tc qdisc delete dev eth0 clsact",), types=L3),
    Row("decap-open", "for-a-whole-network", (f"serverprep --vip {VIP} --interface eth0 --load-balancer 10.0.0.0/8",), types=L3),
    Row("ip-forward", "", ("sysctl -q -w net.ipv4.ip_forward=0",), severity="warning"),
    Row("send-redirects", "all", (conf("all", "send_redirects", 1),), severity="warning"),
    Row("send-redirects", "interface", (conf("eth0", "send_redirects", 1),), severity="warning"),
    Row("firewall", "nft-drop-of-the-vip", (
        "nft add table ip guard", "nft add chain ip guard input '{ type filter hook input priority 0; }'",
        f"nft add rule ip guard input ip daddr {VIP} drop"), steps=False),
    Row("firewall", "iptables-drop-of-the-vip", (f"iptables -A INPUT -d {VIP} -j DROP",), steps=False),
    Row("firewall", "policy-drop", ("iptables -P INPUT DROP",), steps=False),
    Row("firewall", "replies", (f"iptables -A OUTPUT -s {VIP} -p tcp --sport 80 -j DROP",), steps=False),
    Row("return-via-lb", "another-router", (f"ip route add default via {ROUTER} metric 100",
                                            f"ip route replace default via {LB}"), steps=False),
    Row("return-via-lb", "no-other-router", (f"ip route replace default via {LB}",), steps=False,
        heal=(f"ip route replace default via {ROUTER}",)),
    Row("mtu", "", (), types=L3, steps=False, config={"mtu": 9000}),
    Row("mss", "", ("tc filter delete dev eth0 egress",), types=L3),
    Row("interface-down", "", ("ip link set eth0 down",)),
]


def by_type(rows):
    return pytest.mark.parametrize("row, server", [(row, dsr_type) for row in rows for dsr_type in row.types],
                                   indirect=["server"], ids=lambda value: str(value))


def broken(server, row):
    """Prepares the server, breaks it, and looks. Returns the one finding."""
    server.configure(**row.config)
    server.sh(*row.before)
    if not row.config:
        server.serverprep()
        assert server.serverprep("--check").findings() == []
    else:
        serverprep(server.host, *server.options)
    server.sh(*row.breaks)
    outcome = server.serverprep("--check", status=row.status)
    assert [finding["id"] for finding in outcome.json["findings"]] == [row.id], outcome
    finding = outcome.json["findings"][0]
    assert finding["severity"] == row.severity
    return finding


@by_type(ROWS)
def test_a_row_broken_alone_is_named_alone_and_its_printed_fix_heals(server, row):
    finding = broken(server, row)
    server.sh(*row.heal or (finding["fix"],))
    outcome = server.serverprep("--check")
    assert (outcome.json["findings"], outcome.json["steps"]) == ([], [])


@by_type([row for row in ROWS if row.steps])
def test_fix_heals_the_row_that_is_asked_for(server, row):
    broken(server, row)
    server.serverprep("--fix", row.id)
    outcome = server.serverprep("--check")
    assert (outcome.json["findings"], outcome.json["steps"]) == ([], [])


@by_type([row for row in ROWS if not row.steps])
def test_fix_of_what_serverprep_leaves_to_the_user_changes_nothing_and_says_the_command(server, row):
    finding = broken(server, row)
    outcome = server.serverprep("--fix", row.id, status=1)
    assert not outcome.json["changed"] and finding["fix"] in outcome.json["error"]
    assert [finding["id"] for finding in server.findings()] == [row.id]


def test_a_healthy_server_has_no_finding_and_fix_finds_nothing_to_mend(server):
    server.serverprep()
    outcome = server.serverprep("--check")
    assert (outcome.json["findings"], outcome.json["not_looked_at"]) == ([], [])
    for row in ROWS:
        assert server.serverprep("--fix", row.id).json["steps"] == []


@pcap_only  # else the file has the load balancer's address
@pytest.mark.parametrize("server", L3, indirect=True)
def test_decapsulation_for_nobody_in_particular_is_a_warning(server):
    server.configure(load_balancer=None)
    server.serverprep()
    outcome = server.serverprep("--check")  # exit 0: it serves
    assert [(finding["id"], finding["severity"]) for finding in outcome.json["findings"]] == [("decap-open", "warning")]
    server.sh(outcome.json["findings"][0]["fix"].replace("ADDRESS", LB))
    assert serverprep(server.host, "--vip", VIP, "--dsr-type", "l3", "--load-balancer", LB, "--check").findings() == []


@contextlib.contextmanager
def listener(server, address):
    process = server.host.popen(sys.executable, "-c", LISTENER, address, EXTRA_PORT, stdin=-1)
    server.host.wait_listening(EXTRA_PORT, process)
    yield
    process.stdin.close()
    process.wait(5)
    wait_until(lambda: not server.host.listens(EXTRA_PORT), "the listener is gone")


def named(server):
    return [(finding["id"], finding["subject"]) for finding in server.findings()]


def test_a_service_that_does_not_listen_on_the_vip_is_named(server):
    server.configure(ports=[EXTRA_PORT])
    server.serverprep()
    subject = f"{VIP}:{EXTRA_PORT}"
    assert server.serverprep("--check", status=3).findings() == ["no-listener"]
    assert named(server) == [("no-listener", subject)]
    with listener(server, "10.0.0.11"):
        assert named(server) == [("listener-address", subject)]
        assert server.serverprep("--check", status=3)
        assert "0.0.0.0" in server.findings()[0]["fix"]
    for address in ("0.0.0.0", VIP):
        with listener(server, address):
            assert server.serverprep("--check").findings() == []


HARMLESS = {
    "accepts-more": ("iptables -A INPUT -p tcp --dport 22 -j ACCEPT", "iptables -A INPUT -p tcp --dport 23 -j DROP"),
    "policy-drop-with-the-services-let-in": (
        "iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        "iptables -A INPUT -i lo -j ACCEPT",
        "iptables -A INPUT -p ipencap -j ACCEPT",
        "iptables -A INPUT -p tcp --dport 80 -j ACCEPT",
        "iptables -A INPUT -p udp --dport 7000 -j ACCEPT",
        "iptables -P INPUT DROP"),
    "for-another-address": ("iptables -A INPUT -d 10.0.0.11 -p tcp --dport 80 -j DROP",
                            "iptables -A FORWARD -d 10.0.0.100 -j DROP"),
    "for-another-interface": ("iptables -A INPUT -i eth1 -j DROP",),
    "nft-counts": ("nft add table inet count", "nft add chain inet count input '{ type filter hook input priority 0; }'",
                   f"nft add rule inet count input ip daddr {VIP} counter accept"),
    "nft-sets": ("nft add table ip admins", "nft add chain ip admins input '{ type filter hook input priority 0; policy drop; }'",
                 "nft add rule ip admins input ct state established,related accept",
                 f"nft add rule ip admins input ip daddr {{ {VIP}, 10.0.0.11 }} th dport {{ 80, 7000 }} accept"),
}


@pytest.mark.parametrize("rules", HARMLESS)
def test_a_packet_filter_that_lets_the_vip_through_is_no_finding(server, rules):
    server.serverprep()
    server.sh(*HARMLESS[rules])
    assert server.serverprep("--check").json["findings"] == []


def test_a_host_that_runs_lb_for_the_vip_is_told_so_and_stays_as_it_is(matrix_lab):
    lab = matrix_lab
    options = ["--vip", VIP, "--interface", "eth0"]
    with LoadBalancer(lab, lb_config(lab)):
        before = lab.lb.ip("-4 addr show"), lab.lb.sysctl("net/ipv4/ip_forward")
        outcome = serverprep(lab.lb, *options, "--check")
        assert outcome.status == 3
        assert outcome.json["findings"][0]["id"] == "host-is-lb"
        refused = serverprep(lab.lb, *options)
        assert refused.status == 1 and not refused.json["changed"]
        assert serverprep(lab.lb, *options, "--fix", "host-is-lb").status == 1
        assert (lab.lb.ip("-4 addr show"), lab.lb.sysctl("net/ipv4/ip_forward")) == before
