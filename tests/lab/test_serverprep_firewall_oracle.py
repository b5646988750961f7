"""serverprep's judgement of packet filters against the kernel's: rulesets are loaded by nft and iptables, real packets are
sent, and what became of them is compared with what the evaluator says. It may say 'unknown'; it must never contradict.

The evaluator is judge_rulesets of the build tree ($DSR_JUDGE, or build/ci). Needs root.
"""

import collections
import ctypes
import itertools
import json
import os
import pathlib
import select
import socket
import subprocess
import time

import pytest
from scapy.all import IP, TCP, UDP, Ether, Raw

VIP, SERVER, BALANCER = "203.0.113.10", "10.0.0.11", "10.0.0.2"
NEAR, FAR = "10.0.0.50", "198.51.100.7"
ROOT = pathlib.Path(__file__).parents[2]
JUDGE = os.environ.get("DSR_JUDGE", str(ROOT / "build/ci/tests/unit/serverprep/judge_rulesets"))
FENCE = 0x88B5  # an Ethernet type for experiments, which no rule for IPv4 concerns
SOL_PACKET, PACKET_QDISC_BYPASS = 263, 20
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_ports = itertools.count(20000)


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True, timeout=30, **options).stdout


class Namespace:
    def __init__(self, name):
        self.name = f"fw-{os.getpid()}-{name}"
        run("ip", "netns", "add", self.name)

    def run(self, *command, **options):
        return run("ip", "netns", "exec", self.name, *command, **options)

    def socket(self, *arguments):
        """A socket stays in the namespace it was made in."""
        with open("/proc/self/ns/net") as own, open(f"/run/netns/{self.name}") as other:
            assert _libc.setns(other.fileno(), CLONE_NEWNET) == 0
            try:
                return socket.socket(*arguments)
            finally:
                assert _libc.setns(own.fileno(), CLONE_NEWNET) == 0

    def tap(self):
        """All frames of eth0, before any rule sees them."""
        made = self.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        made.bind(("eth0", 3))
        made.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)  # past egress rules
        return made


class Wire:
    """A client that is nothing but a packet socket, and a server with the VIP, services and raw sockets, which get what
    the hook input has let pass."""

    CLIENT_MAC, SERVER_MAC = "02:00:00:00:00:50", "02:00:00:00:00:11"

    def __init__(self):
        self.client, self.server = Namespace("c"), Namespace("s")
        try:
            self.set_up()
        except BaseException:
            self.tear_down()
            raise

    def set_up(self):
        run("ip", "link", "add", "eth0", "netns", self.client.name, "address", self.CLIENT_MAC, "type", "veth", "peer",
            "name", "eth0", "netns", self.server.name, "address", self.SERVER_MAC)
        self.client.run("ip", "link", "set", "eth0", "up")
        for words in ("link set lo up", "link set eth0 up", f"address add {SERVER}/24 dev eth0", f"address add {VIP}/32 dev lo",
                      "route add default via 10.0.0.1"):
            self.server.run("ip", *words.split())
        for address in (NEAR, BALANCER, "10.0.0.1"):
            self.server.run("ip", "neigh", "add", address, "lladdr", self.CLIENT_MAC, "dev", "eth0", "nud", "permanent")
        self.server.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0")
        self.client_tap, self.server_tap = self.client.tap(), self.server.tap()
        self.raw = {protocol: self.server.socket(socket.AF_INET, socket.SOCK_RAW, protocol) for protocol in (4, 6, 17)}
        self.listeners = []
        for port in (80, 443):
            listener = self.server.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.bind((VIP, port))
            listener.listen(512)
            self.listeners.append(listener)
        self.echo = self.server.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.echo.bind((VIP, 53))
        self.echo.setblocking(False)

    def tear_down(self):
        for namespace in (self.client, self.server):
            run("ip", "netns", "delete", namespace.name)

    def fence(self, sender, receiver, to, number):
        """Until all that was sent before has been dealt with: frames are received in order, and of several fences the last
        one is seen only after what came before the first one is through."""
        for part in range(3):
            sender.send(bytes(Ether(dst=to, src="02:00:00:00:00:99", type=FENCE) / Raw(b"%d %d" % (number, part))))
        last = b"%d 2" % number
        frames, deadline = [], time.monotonic() + 5
        while time.monotonic() < deadline:
            select.select([receiver], [], [], 1)
            frame = receiver.recv(65536)
            if frame[12:14] == FENCE.to_bytes(2, "big") and frame[14:].startswith(last):
                return frames
            frames.append(frame)
        raise AssertionError("the fence never came")

    def send(self, packet, number):
        """(arrived at a socket, reply seen outside, or None where no reply was due)"""
        for raw in self.raw.values():
            receive_all(raw)
        receive_all(self.echo)
        self.client_tap.send(bytes(Ether(dst=self.SERVER_MAC, src=self.CLIENT_MAC) / packet))
        self.fence(self.client_tap, self.server_tap, self.SERVER_MAC, number)
        arrived = any(same(packet, IP(data)) for data in receive_all(self.raw[packet.proto]))
        for data, sender in receive_all(self.echo, True):
            try:
                self.echo.sendto(data, sender)
            except PermissionError:  # a rule at output said so
                pass
        frames = self.fence(self.server_tap, self.client_tap, self.CLIENT_MAC, number)
        if not arrived or packet.proto == 4:
            return arrived, None
        return arrived, any(replies(packet, Ether(frame)) for frame in frames)


def receive_all(sock, sender=False):
    received = []
    try:
        while True:
            data, address = sock.recvfrom(65536, socket.MSG_DONTWAIT)
            received.append((data, address) if sender else data)
    except BlockingIOError:
        return received


def same(sent, seen):
    return (sent.src, sent.dst, sent.proto) == (seen.src, seen.dst, seen.proto) and bytes(sent.payload)[:4] == bytes(seen.payload)[:4]


def replies(sent, frame):
    layer = TCP if sent.proto == 6 else UDP
    return IP in frame and layer in frame and frame[IP].src == sent.dst and frame[layer].dport == sent.sport and \
        (layer is UDP or frame[TCP].flags == "SA")


@pytest.fixture(scope="module")
def wire():
    made = Wire()
    try:
        yield made
    finally:
        made.tear_down()


Ruleset = collections.namedtuple("Ruleset", "name program text decided")
RULESETS = []


def nft(name, text, hook="input", priority="0", policy="accept", kind="filter", family="inet", decided=True):
    """Rules of one base chain; lines before '---' belong to the table."""
    table, _, rules = text.rpartition("---")
    RULESETS.append(Ruleset(name, "nft", f"table {family} t {{\n{table}\nchain base {{\ntype {kind} hook {hook} priority {priority}; "
                                         f"policy {policy};\n{rules}\n}}\n}}\n", decided))


def iptables(name, *rules, decided=True, program="iptables-nft"):
    RULESETS.append(Ruleset(name, program, "\n".join(rules), decided))


nft("empty", "")
nft("vip-dropped", f"ip daddr {VIP} drop")
nft("vip-rejected", f"ip daddr {VIP} tcp dport 80 reject with tcp reset")
nft("another-address", "ip daddr 203.0.113.11 drop\nip daddr 203.0.113.0/29 drop")
nft("prefix", "ip daddr 203.0.113.0/28 drop")
nft("port", "tcp dport 80 drop")
nft("ports", "tcp dport { 443, 8000-9000 } drop\nudp dport 50-60 drop")
nft("not-a-port", "tcp dport != 80 drop")
nft("greater", "tcp dport > 80 drop\nudp dport <= 52 drop")
nft("less", "tcp dport < 81 drop\nudp dport >= 53 drop")
nft("source-ports", "tcp sport 1024-65535 drop\nudp sport < 1024 drop")
nft("ipip", "ip protocol 4 drop")
nft("ipip-meta", "meta l4proto ipencap drop")
nft("protocols", "ip protocol { tcp, udp } drop")
nft("policy", "ct state established,related accept\nct state invalid drop\ntcp dport 22 accept", policy="drop")
nft("policy-opened", f"ct state {{ established, related }} accept\nip daddr {VIP} tcp dport {{ 80, 443 }} accept\nip protocol 4 ip saddr {BALANCER} accept", policy="drop")
nft("state-map", "ct state vmap { established : accept, related : accept, invalid : drop, new : drop }")
nft("state-new-only", "ct state new drop")
nft("state-not-new", "ct state != new drop")
nft("state-untracked", "ct state untracked drop")
nft("early-state", "ct state invalid drop", hook="prerouting", priority="-300")
nft("early-state-not-new", "ct state new drop", hook="prerouting", priority="-300")
nft("state-at-tracking", "ct state new drop", hook="prerouting", priority="-200", decided=False)
nft("status", "ct status dnat accept\nct state new drop")
nft("client", f"ip saddr {NEAR} drop")
nft("clients", "ip saddr 198.51.100.0/24 drop")
nft("not-client", "ip saddr != 10.0.0.0/24 drop")
nft("masked", "ip saddr & 255.0.255.0 == 10.0.0.0 drop\nip daddr & 0.0.0.3 == 2 tcp dport 443 drop")
nft("forged", "ip saddr { 127.0.0.0/8, 0.0.0.0/8, 224.0.0.0/3 } drop")
nft("link", "iifname \"eth0\" tcp dport 80 drop\niif lo drop")
nft("links", "iifname { \"eth1\", \"wlan*\" } drop\niifname \"et*\" udp dport 53 drop")
nft("not-link", "iifname != \"lo\" drop")
nft("no-output-link", "oifname \"eth0\" drop\noifname != \"eth0\" tcp dport 443 drop")
nft("flags-syn", "tcp flags syn tcp dport 80 drop\ntcp flags & (syn | ack) == syn tcp dport 443 drop")
nft("flags-mask", "tcp flags syn,ack / syn,ack drop\ntcp flags != syn tcp dport 443 drop", decided=False)
nft("flags-none", "tcp flags & (fin|syn|rst|psh|ack|urg) == 0x0 drop\ntcp flags ! syn drop")
nft("fragments", "ip frag-off & 0x1fff != 0 drop")
nft("fragments-df", "ip frag-off & 0x4000 != 0 drop", decided=False)
nft("local", "fib daddr type local tcp dport 80 drop\nfib saddr type local drop")
nft("not-local", "fib daddr type != local drop\nfib daddr type { broadcast, multicast } drop")
nft("local-on-link", "fib daddr . iif type != local drop", hook="prerouting", priority="-150", decided=False)
nft("reverse-path", "fib saddr . iif oif 0 drop", hook="prerouting", priority="-150", decided=False)
nft("other-families", "ip6 saddr ::1 drop\nmeta nfproto ipv6 drop\nicmp type echo-request drop\nmeta protocol arp drop")
nft("own-family", "meta nfproto ipv4 meta protocol ip ip version 4 udp dport 53 drop")
nft("packet-type", "meta pkttype { broadcast, multicast } drop\nmeta pkttype host tcp dport 80 drop")
nft("any-transport", "meta l4proto { tcp, udp } th dport { 53, 80 } drop")
nft("transport-raw", "th dport 80 drop", decided=False)
nft("concatenation", f"ip daddr . tcp dport {{ {VIP} . 80, 10.0.0.0/8 . 1-1024 }} drop")
nft("concatenated-link", f"iifname . ip daddr {{ \"eth0\" . {VIP} }} drop")
nft("set", f"set s {{ type ipv4_addr; flags interval; elements = {{ 203.0.113.8/30, 1.2.3.4 }}\n}}\n---ip daddr @s drop")
nft("set-empty", "set s { type ipv4_addr;\n}\n---ip daddr @s drop\nip daddr != @s udp dport 53 drop")
nft("set-pairs", f"set s {{ typeof ip daddr . tcp dport; elements = {{ {VIP} . 443 }}\n}}\n---ip daddr . tcp dport @s drop")
nft("set-of-links", "set s { type ifname; elements = { \"eth0\" }\n}\n---iifname @s tcp dport 443 drop")
nft("set-all", "set s { type ipv4_addr; elements = { 1.1.1.1, * }\n}\n---ip saddr @s tcp dport 80 drop")
nft("set-fed", "set s { type ipv4_addr; flags dynamic; timeout 1h;\n}\n---add @s { ip saddr }\nip saddr @s drop", decided=False)
nft("map", "map m { type inet_service : verdict; elements = { 80 : drop, 443 : jump other }\n}\nchain other { drop\n}\n---tcp dport vmap @m")
nft("map-anonymous", "tcp dport vmap { 80 : accept, 443 : drop }\nudp dport vmap { 53 : drop, * : accept }")
nft("map-rest", "meta l4proto vmap { tcp : accept, * : drop }")
nft("map-of-pairs", f"ip saddr . ip daddr vmap {{ {NEAR} . {VIP} : drop }}")
nft("jump", "chain a { tcp dport 80 return\ndrop\n}\n---jump a\ntcp dport 80 ip saddr 10.0.0.0/8 drop")
nft("goto", "chain a { tcp dport 80 return\n}\n---tcp dport { 80, 443 } goto a\nip protocol != 4 drop", policy="drop")
nft("goto-in-jump", "chain b { tcp dport 80 drop\n}\nchain a { goto b\ndrop\n}\n---jump a\nudp dport 53 drop")
nft("return-at-base", "tcp dport 80 return\naccept", policy="drop")
nft("accept-is-not-final", "tcp dport 80 accept")
RULESETS[-1] = RULESETS[-1]._replace(text=RULESETS[-1].text + "table ip late { chain c { type filter hook input priority 10; policy drop;\n"
                                                             "udp dport 53 accept\n}\n}\n")
nft("counters", "counter\nlog prefix \"x\" counter accept\ndrop")
nft("limit", "limit rate 1/hour burst 1 packets accept\ndrop", decided=False)
nft("random", "numgen random mod 2 == 0 drop", decided=False)
nft("mark", "meta mark set 7\nmeta mark 7 drop", decided=False)
nft("raw-bytes", "@nh,72,8 6 drop", decided=False)
nft("length", "ip length > 1000 drop", decided=False)
nft("ttl", "ip ttl < 5 drop", decided=False)
nft("untracked-then-state", "ip protocol 4 notrack\ntcp dport 80 notrack", hook="prerouting", priority="-300")
RULESETS[-1] = RULESETS[-1]._replace(text=RULESETS[-1].text + "table ip late { chain c { type filter hook input priority 10; policy drop;\n"
                                                             "ct state new accept\n}\n}\n")
nft("untracked-some", f"ip saddr {NEAR} notrack", hook="prerouting", priority="raw")
RULESETS[-1] = RULESETS[-1]._replace(text=RULESETS[-1].text + "table ip late { chain c { type filter hook input priority 10;\n"
                                                             "ct state untracked drop\n}\n}\n")
nft("ingress", f"ip daddr {VIP} udp dport 53 drop", hook="ingress device eth0", family="netdev", priority="-500")
nft("ingress-inet", "tcp dport 80 drop", hook="ingress device eth0", priority="0")
nft("ingress-elsewhere", "drop", hook="ingress device lo", family="netdev")
nft("ingress-state", "ct state new drop\nct state invalid tcp dport 443 drop", hook="ingress device eth0", priority="0")
nft("egress", "tcp sport 80 drop", hook="egress device eth0", family="netdev")
nft("egress-policy", "meta protocol != ip accept\nip protocol udp accept", hook="egress device eth0", family="netdev", policy="drop")
nft("output", f"ip saddr {VIP} tcp sport 80 drop", hook="output")
nft("output-policy", "ct state established accept\n", hook="output", policy="drop")
nft("output-new", "ct state new drop\niifname != \"eth0\" udp sport 53 drop", hook="output")
nft("output-link", "oifname \"eth0\" tcp sport 443 drop\nfib saddr type local udp sport 53 drop", hook="output")
nft("output-client", f"ip daddr {FAR} drop\nfib daddr type local drop", hook="output")
nft("output-route", "tcp sport 443 drop", hook="output", kind="route", family="ip", priority="-150")
nft("postrouting", "tcp sport 80 drop", hook="postrouting")
nft("nat-drop", "tcp dport 80 drop", hook="prerouting", kind="nat", family="ip", priority="-90", decided=False)
nft("nat-input", "tcp dport 443 drop", hook="input", kind="nat", family="ip", priority="100", decided=False)
nft("nat-postrouting", "drop", hook="postrouting", kind="nat", family="ip", priority="100")
nft("dnat", "tcp dport 80 dnat to 10.0.0.77", hook="prerouting", kind="nat", family="ip", priority="-100", decided=False)
nft("redirect", "tcp dport 80 redirect to :443", hook="prerouting", kind="nat", family="ip", priority="-100", decided=False)
nft("rewritten", "udp dport 53 ip daddr set 10.0.0.11\nip daddr 10.0.0.11 ip protocol udp drop", hook="prerouting", priority="-150", decided=False)
RULESETS.append(Ruleset("dormant", "nft", "table ip t { flags dormant\nchain c { type filter hook input priority 0; policy drop;\n}\n}\n", True))

iptables("vip", f"-A INPUT -d {VIP} -j DROP")
iptables("ports", "-A INPUT -p tcp --dport 80 -j DROP", "-A INPUT -p udp -m multiport --dports 20:30,53 -j REJECT")
iptables("ipip", "-A INPUT -p 4 -j DROP")
iptables("ipip-balancer", f"-A INPUT -p 4 ! -s {BALANCER} -j DROP")
iptables("state", "-P INPUT DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "-A INPUT -m conntrack --ctstate INVALID -j DROP",
         "-A INPUT -p tcp -m state --state NEW -m tcp --dport 443 -j ACCEPT", "-P OUTPUT DROP", "-A OUTPUT -m state --state ESTABLISHED -j ACCEPT")
iptables("not-state", "-A INPUT -m conntrack ! --ctstate ESTABLISHED,RELATED -j DROP")
iptables("addrtype", "-A INPUT -m addrtype --dst-type LOCAL -p tcp --dport 80 -j DROP", "-A INPUT -m addrtype ! --dst-type LOCAL -j DROP",
         "-A INPUT -m addrtype --src-type LOCAL,BROADCAST -j DROP")
iptables("links", "-A INPUT -i eth+ -p udp -j DROP", "-A INPUT ! -i eth0 -j DROP", "-A INPUT -i eth1 -j DROP")
iptables("iprange", "-A INPUT -m iprange --dst-range 203.0.113.5-203.0.113.12 -p tcp -j DROP", "-A INPUT -m iprange --src-range 10.0.0.1-10.0.0.9 -j DROP")
iptables("flags", "-A INPUT -p tcp --syn --dport 80 -j DROP", "-A INPUT -p tcp ! --syn -j DROP", "-A INPUT -p tcp --tcp-flags ALL NONE -j DROP",
         "-A INPUT -p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP")
iptables("fragments", "-A INPUT -f -j DROP", "-A INPUT -p udp ! -f -j DROP")
iptables("comment", "-A INPUT -m comment --comment \"a -j DROP\" -p tcp --dport 443 -j DROP", "-A INPUT -m comment --comment -j -j ACCEPT")
iptables("chains", "-N F2B", "-A INPUT -p tcp -m multiport --dports 80,443 -j F2B", f"-A F2B -s {FAR} -j REJECT", "-A F2B -j RETURN")
iptables("goto", "-N LOG_AND_DROP", "-A LOG_AND_DROP -m limit --limit 3/min -j LOG", "-A LOG_AND_DROP -j DROP", "-A INPUT -p udp -g LOG_AND_DROP")
iptables("pkttype", "-A INPUT -m pkttype --pkt-type unicast -p udp -j DROP", "-A INPUT -m pkttype --pkt-type broadcast -j DROP")
iptables("hashlimit", "-A INPUT -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 --hashlimit-name x -j ACCEPT", "-A INPUT -j DROP", decided=False)
iptables("statistic", "-A INPUT -m statistic --mode random --probability 0.5 -j DROP", decided=False)
iptables("notrack", "-t raw -A PREROUTING -p tcp --dport 80 -j CT --notrack", "-A INPUT -m conntrack --ctstate UNTRACKED -j DROP")
iptables("mangle", "-t mangle -A PREROUTING -p tcp --dport 443 -j DROP", "-t mangle -A POSTROUTING -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400",
         "-t mangle -A PREROUTING -j MARK --set-mark 5")
iptables("docker", "-P FORWARD DROP", "-N DOCKER", "-t nat -N DOCKER", "-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
         "-t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER", "-t nat -A DOCKER -i docker0 -j RETURN",
         "-t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", "-t nat -A DOCKER ! -i docker0 -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80")
iptables("docker-published", "-t nat -A PREROUTING -p tcp --dport 80 -m addrtype --dst-type LOCAL -j DNAT --to-destination 172.17.0.2:80", decided=False)
iptables("legacy-vip", f"-A INPUT -d {VIP} -p tcp --dport 80 -j DROP", "-A INPUT -p ipencap -j DROP", program="iptables-legacy")
iptables("legacy-state", "-P INPUT DROP", "-A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT",
         "-A INPUT -p udp -m udp --dport 53 -j ACCEPT", program="iptables-legacy")
iptables("legacy-chains", "-N WEB", "-A INPUT -p tcp -j WEB", f"-A WEB -s {NEAR} -p tcp -m multiport --dports 80,443 -j DROP", "-A WEB -j RETURN",
         "-t raw -A PREROUTING -p udp --dport 53 -j NOTRACK", "-A INPUT -m conntrack --ctstate UNTRACKED -j DROP", program="iptables-legacy")


def clear(server, ruleset):
    if ruleset.program != "iptables-legacy":
        server.run("nft", "flush", "ruleset")
        return
    for table in server.run("cat", "/proc/net/ip_tables_names").split():
        for words in (["-F"], ["-X"]):
            server.run("iptables-legacy", "-t", table, *words)
    for chain in ("INPUT", "OUTPUT"):
        server.run("iptables-legacy", "-P", chain, "ACCEPT")


def load(server, ruleset):
    if ruleset.program == "nft":
        server.run("nft", "-f", "-", input=ruleset.text)
        return
    server.run("sh", "-ec", "\n".join(f"{ruleset.program} {rule}" for rule in ruleset.text.splitlines()))


def save(server, ruleset, directory):
    """As serverprep/kernel/packet_filter does it."""
    (directory / "nft.json").write_text(server.run("nft", "-j", "list", "ruleset"))
    (directory / "nft.txt").write_text(server.run("nft", "-a", "list", "ruleset"))
    if "table ip " in (directory / "nft.txt").read_text():
        (directory / "iptables-nft").write_text(server.run("iptables-nft-save"))
    if ruleset.program == "iptables-legacy":
        (directory / "iptables-legacy").write_text(server.run("iptables-legacy-save"))


def packets():
    for client in (NEAR, FAR):
        for port in (80, 443):
            yield IP(src=client, dst=VIP) / TCP(sport=next(_ports), dport=port, flags="S", seq=1)
        yield IP(src=client, dst=VIP) / UDP(sport=next(_ports), dport=53) / b"hello"
    yield IP(src=BALANCER, dst=SERVER, proto=4) / IP(src=NEAR, dst=VIP) / TCP(sport=next(_ports), dport=80, flags="S")


def questions(packet):
    """(what is asked, whether it is about the reply, whether all of it is known)"""
    ports = (packet.sport, packet.dport) if packet.proto != 4 else ("-", "-")
    client = "-" if packet.proto != 4 else packet.src
    yield f"arriving eth0 {packet.src} {packet.dst} {packet.proto} {ports[0]} {ports[1]} new", False, True
    yield f"arriving eth0 {client} {packet.dst} {packet.proto} - {ports[1]} new", False, False
    if packet.proto != 4:
        yield f"leaving eth0 {packet.dst} {packet.src} {packet.proto} {ports[1]} {ports[0]} established", True, True
        yield f"leaving eth0 {packet.dst} - {packet.proto} {ports[1]} - established", True, False


def judge(directory, asked):
    done = subprocess.run([JUDGE, str(directory)], input="\n".join(asked) + "\n", text=True, capture_output=True, timeout=30, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("ruleset", RULESETS, ids=[f"{one.program}-{one.name}" for one in RULESETS])
def test_the_evaluator_never_contradicts_the_kernel(wire, ruleset, tmp_path):
    try:
        load(wire.server, ruleset)
        save(wire.server, ruleset, tmp_path)
        probes = [(packet, *wire.send(packet, next(_ports))) for packet in packets()]
    finally:
        clear(wire.server, ruleset)
    asked = [(packet, arrived, replied, *question) for packet, arrived, replied in probes for question in questions(packet)]
    verdicts = judge(tmp_path, [one[3] for one in asked])
    assert len(verdicts) == len(asked)
    for (packet, arrived, replied, question, about_reply, all_known), verdict in zip(asked, verdicts):
        # Nothing can be said of a reply to what did not arrive.
        passed = replied if about_reply else arrived
        if passed is None:
            continue
        story = f"{question}: the kernel let it {'pass' if passed else 'not pass'}, and the evaluator says {verdict}\n{ruleset.text}"
        assert verdict["kind"] != ("dropped" if passed else "passes"), story
        if all_known and ruleset.decided:
            assert verdict["kind"] != "unknown", story
        assert (verdict["kind"] == "unknown") <= bool(verdict["remarks"]), story
        assert (verdict["kind"] == "dropped") == bool(verdict["rule"] and verdict["fix"]), story


FIXED = ["nft-vip-dropped", "nft-policy", "nft-port", "nft-not-a-port", "nft-ipip", "nft-map", "nft-ingress", "nft-egress-policy", "nft-output", "nft-output-policy", "iptables-nft-vip", "iptables-nft-state", "iptables-nft-ipip", "iptables-nft-comment",
         "iptables-legacy-legacy-vip", "iptables-legacy-legacy-state"]


@pytest.mark.parametrize("ruleset", [one for one in RULESETS if f"{one.program}-{one.name}" in FIXED],
                         ids=[f"{one.program}-{one.name}" for one in RULESETS if f"{one.program}-{one.name}" in FIXED])
def test_a_fix_lets_the_packet_pass(wire, ruleset, tmp_path):
    fixed = 0
    try:
        load(wire.server, ruleset)
        for packet in packets():
            for question in [asked for asked, _, all_known in questions(packet) if not all_known or packet.proto == 4]:
                for attempt in range(3):
                    save(wire.server, ruleset, tmp_path)
                    verdict = judge(tmp_path, [question])[0]
                    if verdict["kind"] != "dropped":
                        break
                    wire.server.run("sh", "-c", verdict["fix"])
                    fixed += 1
                assert verdict["kind"] == "passes", verdict
        for packet in packets():
            assert wire.send(packet, next(_ports)) in ((True, True), (True, None))
    finally:
        clear(wire.server, ruleset)
    assert fixed or ruleset.name == "output-policy"
