"""verify by itself: it proves a correct DSR service and refutes each of the broken ones here, naming the fault.

Self-contained: neither lb nor serverprep takes part. The load balancer is the small forwarder at the end of this file,
which places flows with a second implementation of the ring (from its description, not from our C++), and the servers
are prepared by hand. Run with --lb-role or --server-role, this file is one of those processes.
"""

import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VIP = "10.0.0.100"
CLIENT, LB, S1, S2 = "10.0.0.50", "10.0.0.2", "10.0.0.11", "10.0.0.12"
ROUTER, FAR = "10.0.0.1", "10.0.1.50"
HOSTS = {"client": CLIENT, "lb": LB, "s1": S1, "s2": S2, "router": ROUTER}
SERVERS = [S1, S2]
TABLE_SIZE = 251
TCP_PORT, UDP_PORT, UDP_WRONG_SOURCE_PORT, API_PORT = 80, 7000, 7001, 9420


def mac_of(address):
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


# --- the lab -------------------------------------------------------------------------------------------------------

if "pytest" in sys.modules:
    import pytest


class Lab:
    """A bridge with a client, the forwarder, two servers and a router, behind which is a far client."""

    def __init__(self, directory):
        self.prefix = f"vf-{os.getpid()}"
        self.directory = directory
        self.processes = []
        self.names = ["bridge", *HOSTS, "far"]

    def __enter__(self):
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", f"{self.prefix}-{name}"], check=False, stderr=subprocess.DEVNULL)

    def command(self, name, *arguments):
        return ["ip", "netns", "exec", f"{self.prefix}-{name}", *map(str, arguments)]

    def run(self, name, line):
        return subprocess.run(self.command(name, *line.split()), check=True, capture_output=True, text=True, timeout=30).stdout

    def ip(self, name, line):
        return self.run(name, f"ip {line}")

    def sysctl(self, name, key, value):
        self.run(name, f"sysctl -qw {key}={value}")

    def build(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "add", f"{self.prefix}-{name}"], check=True)
            self.ip(name, "link set lo up")
        self.ip("bridge", "link add br0 type bridge")
        self.ip("bridge", "link set br0 up")
        for name, address in HOSTS.items():
            self.ip(name, f"link add eth0 type veth peer name {name} netns {self.prefix}-bridge")
            self.ip("bridge", f"link set {name} master br0 up")
            self.address(name, "eth0", address)
        self.ip("router", f"link add eth1 type veth peer name eth0 netns {self.prefix}-far")
        self.address("router", "eth1", "10.0.1.1")
        self.address("far", "eth0", FAR)
        self.sysctl("router", "net.ipv4.ip_forward", 1)
        self.ip("far", "route add default via 10.0.1.1")
        for name in ("client", "lb", "s1", "s2"):
            self.ip(name, f"route add default via {ROUTER}")
        for name in ("s1", "s2"):
            for setting, value in {"arp_ignore": 1, "arp_announce": 2, "rp_filter": 0}.items():
                self.sysctl(name, f"net.ipv4.conf.eth0.{setting}", value)
                self.sysctl(name, f"net.ipv4.conf.all.{setting}", 0)
            self.sysctl(name, "net.ipv4.ip_forward", 1)
            for where in ("all", "eth0"):
                self.sysctl(name, f"net.ipv4.conf.{where}.send_redirects", 0)
            self.ip(name, f"address add {VIP}/32 dev lo")
            self.start(name, "--server-role", ready_port=TCP_PORT)
        # As lb's kernel is kept quiet about the VIP.
        self.ip("lb", f"route add blackhole {VIP}/32")
        for where in ("all", "eth0"):
            self.sysctl("lb", f"net.ipv4.conf.{where}.send_redirects", 0)
            self.sysctl("lb", f"net.ipv4.conf.{where}.rp_filter", 0)
        self.start("lb", "--lb-role", ready_port=API_PORT)

    def address(self, name, link, address):
        self.ip(name, f"link set {link} address {mac_of(address)} up")
        self.ip(name, f"address add {address}/24 dev {link}")

    def start(self, name, role, ready_port):
        log = open(self.directory / f"{name}.log", "w", encoding="utf-8")
        with log:
            process = subprocess.Popen(self.command(name, "/usr/bin/python3", __file__, role), stdout=log, stderr=log)
        self.processes.append(process)
        deadline = time.monotonic() + 20
        while f":{ready_port} " not in self.run(name, "ss -Hltn"):
            assert process.poll() is None and time.monotonic() < deadline, (self.directory / f"{name}.log").read_text()
            time.sleep(0.05)
        return process

    def forget_neighbors(self):
        for name in ("client", "router"):
            self.ip(name, "neighbor flush all")

    def verify(self, *arguments, name="client"):
        """Exit status and decoded report."""
        self.forget_neighbors()
        program = pathlib.Path(os.environ["DSR_PREFIX"]).resolve() / "bin" / "verify"
        done = subprocess.run(self.command(name, program, "--json", *arguments), capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.stdout, f"exit {done.returncode}: {done.stderr}"
        return done.returncode, Report(json.loads(done.stdout))


class Report:
    def __init__(self, document):
        self.verdict = document["verdict"]
        self.claims = document["claims"]

    def of(self, claim, subject=""):
        found = [entry for entry in self.claims if entry["claim"] == claim and subject in entry["subject"]]
        assert found, f"no claim {claim} about '{subject}' in {self}"
        return found[0]

    def verdicts(self):
        return {(entry["claim"], entry["subject"]): entry["verdict"] for entry in self.claims}

    def findings(self):
        return {entry["finding"] for entry in self.claims if entry["verdict"] == "refuted"}

    def __str__(self):
        return json.dumps(self.claims, indent=1)


if "pytest" in sys.modules:

    @pytest.fixture(scope="module")
    def lab(tmp_path_factory):
        with Lab(tmp_path_factory.mktemp("verify")) as built:
            yield built

    @pytest.fixture(scope="module")
    def config(tmp_path_factory):
        path = tmp_path_factory.mktemp("config") / "dsr.yaml"
        path.write_text(f"""
load_balancer:
  driver: pcap
  interfaces: [{{name: eth0}}]
  maglev_table_size: {TABLE_SIZE}
network_profiles:
  - {{name: tcp, type: tcp_fast_path, dsr_profile: {{dsr_type: l2}}}}
  - {{name: udp, type: udp_fast_path, dsr_profile: {{dsr_type: l2}}}}
pools:
  - name: pool
    servers: [{{address: {S1}}}, {{address: {S2}}}]
virtual_services:
  - {{name: web, vip: {VIP}, ports: [{TCP_PORT}], network_profile: tcp, pool: pool}}
  - {{name: echo, vip: {VIP}, ports: [{UDP_PORT}], network_profile: udp, pool: pool}}
""")
        return str(path)


LB_URL = f"http://{LB}:{API_PORT}"


def test_a_correct_service_is_proved_with_its_configuration(lab, config):
    status, report = lab.verify("--config", config, "--lb", LB_URL)
    assert (status, report.verdict) == (0, "proved"), report
    assert set(report.verdicts()) == {
        *((claim, f"{VIP}:{port}") for port in ("80/tcp", "7000/udp")
          for claim in ("answered", "source-is-vip", "bypasses-lb", "flow-sticks")),
        *(("every-server-answers", f"{VIP}:{port} on {server}") for port in ("80/tcp", "7000/udp") for server in SERVERS),
        ("only-lb-answers-arp", VIP),
    }


def test_without_any_knowledge_of_the_servers_only_their_number_is_not_shown(lab):
    status, report = lab.verify("--vip", f"{VIP}:80")
    assert (status, report.verdict) == (3, "not-shown"), report
    assert [key for key, verdict in report.verdicts().items() if verdict != "proved"] == [
        ("every-server-answers", f"{VIP}:80/tcp")]


def test_the_load_balancers_counters_name_the_servers(lab):
    status, report = lab.verify("--vip", f"{VIP}:80", "--lb", LB_URL)
    assert status == 0, report
    assert S2 in report.of("every-server-answers", S2)["where"]


def test_behind_a_router_the_client_alone_cannot_show_bypass(lab, config):
    status, report = lab.verify("--config", config, name="far")
    assert status == 3, report
    assert report.of("bypasses-lb")["verdict"] == "not-shown"
    assert report.of("every-server-answers")["verdict"] == "not-shown"
    assert report.of("only-lb-answers-arp")["verdict"] == "not-shown"
    assert report.of("answered")["verdict"] == "proved"


def test_behind_a_router_the_load_balancers_counters_prove_it(lab, config):
    status, report = lab.verify("--config", config, "--lb", LB_URL, name="far")
    assert status == 0, report
    assert report.of("bypasses-lb", "80/tcp")["verdict"] == "proved"
    assert report.of("flow-sticks", "7000/udp")["verdict"] == "proved"


def test_a_server_that_answers_arp_for_the_vip_is_refuted(lab, config):
    lab.sysctl("s1", "net.ipv4.conf.eth0.arp_ignore", 0)
    try:
        status, report = lab.verify("--config", config)
    finally:
        lab.sysctl("s1", "net.ipv4.conf.eth0.arp_ignore", 1)
    assert status == 1, report
    claim = report.of("only-lb-answers-arp")
    assert (claim["verdict"], claim["finding"]) == ("refuted", "duplicate-arp"), report
    assert S1 in claim["where"] and S2 not in claim["where"]
    assert report.findings() == {"duplicate-arp"}, "nothing else is at fault"


@pytest.mark.parametrize("forwards", [1, 0]) if "pytest" in sys.modules else (lambda function: function)
def test_a_server_without_the_vip_is_refuted_and_named(lab, config, forwards):
    """ip_forward=1: it sends the packets on, and its ICMP errors say so. 0: it is silent, though up."""
    lab.ip("s2", f"address del {VIP}/32 dev lo")
    lab.sysctl("s2", "net.ipv4.ip_forward", forwards)
    try:
        status, report = lab.verify("--config", config, "--vip", f"{VIP}:80")
    finally:
        lab.sysctl("s2", "net.ipv4.ip_forward", 1)
        for where in ("all", "eth0"):  # writing ip_forward turned redirects on again
            lab.sysctl("s2", f"net.ipv4.conf.{where}.send_redirects", 0)
        lab.ip("s2", f"address add {VIP}/32 dev lo")
    assert status == 1, report
    claim = report.of("every-server-answers", S2)
    assert (claim["verdict"], claim["finding"]) == ("refuted", "vip-missing"), report
    assert S2 in claim["where"] and "serverprep" in claim["fix"]
    assert report.of("every-server-answers", S1)["verdict"] == "proved", report
    assert report.findings() == {"vip-missing"}, report


def test_a_packet_filter_on_a_server_is_told_from_a_missing_vip(lab, config):
    lab.run("s2", "tc qdisc add dev eth0 clsact")
    try:
        # Load the destination address; the VIP: TC_ACT_SHOT (2), else TC_ACT_UNSPEC (-1).
        code = f"4,32 0 0 30,21 0 1 {number(VIP)},6 0 0 2,6 0 0 {2**32 - 1}"
        subprocess.run(lab.command("s2", *"tc filter add dev eth0 ingress protocol ip bpf da bytecode".split(), code),
                       check=True)
        status, report = lab.verify("--config", config, "--vip", f"{VIP}:80")
    finally:
        lab.run("s2", "tc qdisc del dev eth0 clsact")
    assert status == 1, report
    assert report.of("every-server-answers", S2)["finding"] == "firewall", report
    assert report.findings() == {"firewall"}, report


def test_replies_routed_through_the_load_balancer_are_refuted(lab, config):
    lab.sysctl("lb", "net.ipv4.ip_forward", 1)
    for where in ("all", "eth0"):
        lab.sysctl("lb", f"net.ipv4.conf.{where}.send_redirects", 0)
    lab.ip("s1", f"route add {CLIENT}/32 via {LB}")
    try:
        reports = [lab.verify("--config", config, "--vip", f"{VIP}:80", *extra) for extra in ((), ("--lb", LB_URL))]
    finally:
        lab.ip("s1", f"route del {CLIENT}/32")
        lab.sysctl("lb", "net.ipv4.ip_forward", 0)
    for status, report in reports:
        assert status == 1, report
        claim = report.of("bypasses-lb")
        assert (claim["verdict"], claim["finding"]) == ("refuted", "return-via-lb"), report
        assert report.of("answered")["verdict"] == "proved", report
        assert report.findings() == {"return-via-lb"}, report


def test_replies_that_die_in_the_load_balancer_are_refuted_as_such(lab, config):
    """The same wrong route, but the load balancer does not forward: silence, whose cause is the way back."""
    lab.ip("s1", f"route add {CLIENT}/32 via {LB}")
    try:
        status, report = lab.verify("--config", config, "--vip", f"{VIP}:80", "--lb", LB_URL)
    finally:
        lab.ip("s1", f"route del {CLIENT}/32")
    assert status == 1, report
    assert report.findings() == {"return-via-lb"}, report


def test_a_port_without_listener_is_refuted(lab):
    status, report = lab.verify("--vip", f"{VIP}:81", "--lb", LB_URL)
    assert status == 1, report
    assert report.findings() == {"no-listener"}, report


def test_a_udp_service_that_answers_from_its_own_address_is_refuted(lab):
    status, report = lab.verify("--vip", f"{VIP}:{UDP_WRONG_SOURCE_PORT}/udp", "--probes", "8")
    assert status == 1, report
    claim = report.of("source-is-vip")
    assert claim["verdict"] == "refuted", report
    assert S1 in claim["where"] or S2 in claim["where"], report


def test_a_load_balancer_that_is_gone_is_refuted_as_not_reached(lab, config):
    lab.ip("lb", "link set eth0 down")
    try:
        status, report = lab.verify("--config", config, "--vip", f"{VIP}:80")
    finally:
        lab.ip("lb", "link set eth0 up")
        lab.ip("lb", f"route replace default via {ROUTER}")
    assert status == 1, report
    assert report.findings() == {"lb-not-reached"}, report


@pytest.mark.parametrize("arguments, status, words", [
    ((), 2, "nothing to verify"),
    (("--vip", "10.0.0.100"), 2, "'10.0.0.100' names no port"),
    (("--vip", "10.0.0.300:80"), 2, "'10.0.0.300' is no IPv4 address"),
    (("--vip", f"{VIP}:80", "--interface", "eth7"), 2, "there is no interface 'eth7'"),
    (("--vip", f"{VIP}:80", "--probes", "0"), 2, "--probes"),
    (("--config", "/does/not/exist.yaml"), 2, "/does/not/exist.yaml"),
    (("--vip", f"{CLIENT}:80"), 1, f"{CLIENT} is an address of this host"),
    (("--vip", f"{VIP}:80", "--lb", f"http://{LB}:1"), 1, f"'http://{LB}:1' cannot be asked"),
    (("--vip", f"{VIP}:80", "--lb", "lb"), 2, "'lb' is no URL"),
]) if "pytest" in sys.modules else (lambda function: function)
def test_bad_input_gives_one_clear_sentence(lab, arguments, status, words):
    program = pathlib.Path(os.environ["DSR_PREFIX"]).resolve() / "bin" / "verify"
    done = subprocess.run(lab.command("client", program, *arguments), capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr and len(done.stderr.strip().splitlines()) <= 2, done.stderr


def test_without_privileges_it_says_what_it_needs(lab):
    program = pathlib.Path(os.environ["DSR_PREFIX"]).resolve() / "bin" / "verify"
    done = subprocess.run(lab.command("client", "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", program,
                                      "--vip", f"{VIP}:80"), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "needs root or CAP_NET_RAW" in done.stderr and not done.stdout


# --- the ring, from its description ---------------------------------------------------------------------------------

MASK = (1 << 64) - 1


def mix(value):
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & MASK
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & MASK
    return value ^ value >> 33


def number(address):
    return int.from_bytes(socket.inet_aton(address), "big")


def build_ring(servers, size):
    """Maglev with equal weights: servers, in the order of their addresses, take their next free slot in turns."""
    servers = sorted(servers, key=number)
    hashes = [[mix(mix(seed) ^ (0xFFFF << 32 | number(server))) for seed in (0x6F66667365740001, 0x736B697000000001)]
              for server in servers]
    walks = [[(offset % size + step * (skip % (size - 1) + 1)) % size for step in range(size)] for offset, skip in hashes]
    table, filled = [None] * size, 0
    while filled < size:
        for server, walk in zip(servers, walks):
            if filled < size:
                slot = next(slot for slot in walk if table[slot] is None)
                table[slot] = server
                filled += 1
    return table


def server_of(ring, source, destination, source_port, destination_port, protocol):
    rest = protocol << 32 | source_port << 16 | destination_port
    value = mix(mix(source << 32 | destination) ^ (rest * 0x9E3779B97F4A7C15 & MASK))
    return ring[(value >> 32) * len(ring) >> 32]


# --- the load balancer's stand-in -----------------------------------------------------------------------------------


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def with_checksum(packet):
    """Behind veth the sender's kernel leaves the checksum to a network card that is not there."""
    start = (packet[0] & 15) * 4
    end = int.from_bytes(packet[2:4], "big")
    at = start + (16 if packet[9] == 6 else 6)
    packet = bytearray(packet[:end])
    packet[at:at + 2] = b"\0\0"
    data = bytes(packet[12:20]) + struct.pack("!HH", packet[9], end - start) + bytes(packet[start:])
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    packet[at:at + 2] = struct.pack("!H", ~total & 0xFFFF or 0xFFFF)
    return bytes(packet)


def load_balancer():
    """Answers ARP for the VIP, hands each flow to one server by rewriting MAC addresses, and counts."""
    ring, vip, mac = build_ring(SERVERS, TABLE_SIZE), socket.inet_aton(VIP), mac_bytes(mac_of(LB))
    counters = {"received": 0, "returns": {}, "servers": {}}

    class Api(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            services = []
            for protocol, ports in ((6, (TCP_PORT, 81)), (17, (UDP_PORT, UDP_WRONG_SOURCE_PORT))):
                for port in ports:
                    packets = {server: counters["servers"].get((protocol, port, server), 0) for server in SERVERS}
                    services.append({
                        "name": f"{port}", "vip": VIP, "protocol": "tcp" if protocol == 6 else "udp", "ports": f"{port}",
                        "packets": sum(packets.values()), "return_packets": counters["returns"].get((protocol, port), 0),
                        "servers": [{"address": s, "mac": mac_of(s), "packets": packets[s]} for s in SERVERS]})
            body = json.dumps({"received": counters["received"], "forwarded": 0, "answered": 0, "passed": 0, "dropped": {},
                               "services": services}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind(("eth0", 0))
    api = ThreadingHTTPServer((LB, API_PORT), Api)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    while True:
        try:
            frame, (_, _, kind, _, _) = wire.recvfrom(65535)
        except OSError:  # the interface is down for a while
            select.select([], [], [], 0.05)
            continue
        if kind == socket.PACKET_OUTGOING:
            continue
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x01" and frame[38:42] == vip:
            asker, asker_ip = frame[22:28], frame[28:32]
            wire.send(asker + mac + frame[12:20] + b"\x00\x02" + mac + vip + asker + asker_ip)
            continue
        if frame[12:14] != b"\x08\x00" or frame[:6] != mac:
            continue
        counters["received"] += 1
        protocol, source, destination = frame[23], frame[26:30], frame[30:34]
        ports = struct.unpack_from("!HH", frame, 14 + (frame[14] & 15) * 4) if protocol in (6, 17) else None
        if ports and source == vip:
            key = (protocol, ports[0])
            counters["returns"][key] = counters["returns"].get(key, 0) + 1
        if ports and destination == vip:
            server = server_of(ring, int.from_bytes(source, "big"), int.from_bytes(destination, "big"), *ports, protocol)
            key = (protocol, ports[1], server)
            counters["servers"][key] = counters["servers"].get(key, 0) + 1
            wire.send(mac_bytes(mac_of(server)) + mac + frame[12:14] + with_checksum(frame[14:]))


# --- a server's services --------------------------------------------------------------------------------------------


def server():
    """HTTP, a UDP echo that answers from the address it was asked at, and one that leaves that to the kernel."""
    echo, careless = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    IP_PKTINFO = 8  # noqa: N806
    echo.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    echo.bind(("", UDP_PORT))
    careless.bind(("", UDP_WRONG_SOURCE_PORT))

    class Hello(BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            self.send_response(200)
            self.end_headers()
            self.wfile.write(socket.gethostname().encode())

        def log_message(self, *_):
            pass

    class Web(ThreadingHTTPServer):
        request_queue_size = 128

    threading.Thread(target=Web(("", TCP_PORT), Hello).serve_forever, daemon=True).start()
    while True:
        for ready in select.select([echo, careless], [], [])[0]:
            data, ancillary, _, peer = ready.recvmsg(2048, 128)
            ready.sendmsg([data], ancillary if ready is echo else [], 0, peer)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    {"--lb-role": load_balancer, "--server-role": server}[sys.argv[1]]()
