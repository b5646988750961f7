"""Traffic through the VIP, from a host of the lab: sends it and says what came back. Judges nothing."""

import hashlib
import json
import os
import subprocess
import sys

from .host import read_text
from .services import HTTP_PORT, UDP_PORT
from .wait import wait_until

_HERE = os.path.dirname(__file__)


def _script(host, name, *arguments, timeout=60):
    return json.loads(host.run(sys.executable, f"{_HERE}/{name}", *arguments, timeout=timeout).stdout)


def http_requests(host, address, count, port=HTTP_PORT, concurrency=8):
    """{"answers": {server: n}, "errors": [...], "slowest": seconds}"""
    return _script(host, "http_load.py", address, port, count, concurrency)


def udp_echoes(host, address, count, port=UDP_PORT, flows=50):
    """{"sent", "answered", "lost", "wrong", "sources": {address: n}}"""
    return _script(host, "udp_load.py", "window", address, port, count, flows)


def upload(host, address, body_path, name):
    """PUT of a file. Returns the name of the server that kept it."""
    answer = host.run("curl", "-sS", "--fail", "--max-time", 30, "-D", "-", "-o", "/dev/null", "-T", body_path,
                      f"http://{address}/upload/{name}").stdout
    return _server_header(answer)


def download(host, address, path="/large.bin"):
    """GET. Returns (server, SHA-256 of the body)."""
    target = f"{host.directory}/download"
    answer = host.run("curl", "-sS", "--fail", "--max-time", 30, "-D", "-", "-o", target, f"http://{address}{path}").stdout
    with open(target, "rb") as file:
        return _server_header(answer), hashlib.sha256(file.read()).hexdigest()


def echoed(client, server, port=UDP_PORT):
    """How many datagrams the echo service of this server has echoed. Asks it at its own address."""
    answer = client.run(sys.executable, "-c",
                        "import socket, sys; s = socket.socket(2, 2); s.settimeout(5)\n"
                        f"s.sendto(b'who?', ('{server.address}', {port})); print(s.recv(99).decode())").stdout
    name, count = answer.split()
    assert name == server.name, answer
    return int(count)


def echoes_so_far(lab):
    """{server name: datagrams its echo service has echoed}"""
    return {server.name: echoed(lab.client, server) for server in lab.servers}


def syn_retransmissions(host):
    """How many SYNs this host has sent again since it is there."""
    return int(host.run("nstat", "-asz", "TcpExtTCPSynRetrans").stdout.split()[-2])


def send_raw(host, packets, port=0, answers=0):
    """Sends IPv4 packets (scapy's, or bytes) as they are, in this order. Then waits for that many datagrams to UDP `port`
    of this host, for at most 3 s. Returns [(source address, payload)]: what came."""
    request = {"packets": [bytes(packet).hex() for packet in packets], "port": port, "answers": answers}
    done = host.run(sys.executable, f"{_HERE}/raw_ip.py", input=json.dumps(request))
    return [(source, bytes.fromhex(payload)) for source, payload in json.loads(done.stdout)]


def icmp_answers(host, packets, answers=1):
    """Sends IPv4 packets as they are, in this order, and waits for that many ICMP messages to this host, for at most 3 s.
    Returns [IPv4 packet]: what came."""
    request = {"packets": [bytes(packet).hex() for packet in packets], "port": "icmp", "answers": answers}
    done = host.run(sys.executable, f"{_HERE}/raw_ip.py", input=json.dumps(request))
    return [bytes.fromhex(packet) for _, packet in json.loads(done.stdout)]


def udp_datagrams(host, address, size, ports, tos=0, dont_fragment=False, port=UDP_PORT):
    """One datagram with `size` bytes of payload from each of the source ports. {"answered": [source port], "wrong": n}"""
    return _script(host, "udp_load.py", "sized", address, port, size, ports.start, ports.stop, tos, int(dont_fragment))


class UdpProber:
    """Sends a UDP probe every few milliseconds from now on; `finish` tells which were answered."""

    def __init__(self, host, address, port=UDP_PORT, interval_ms=2):
        self._process = host.popen(sys.executable, f"{_HERE}/udp_load.py", "probe", address, port, interval_ms,
                                   log="prober", stdin=subprocess.PIPE)
        wait_until(lambda: read_text(self._process.log_path).startswith("probing\n"), "the prober sends")

    def finish(self):
        """[(CLOCK_MONOTONIC when sent, answered)]"""
        self._process.stdin.close()
        self._process.wait(10)
        return [tuple(entry) for entry in json.loads(read_text(self._process.log_path).splitlines()[-1])["sent"]]


class TcpFlows:
    """Connections that stay open, with a request on each every few milliseconds, from now on until `finish`."""

    def __init__(self, host, address, flows=20, port=HTTP_PORT, interval_ms=20):
        self._process = host.popen(sys.executable, f"{_HERE}/tcp_flows.py", address, port, flows, interval_ms,
                                   log="tcp_flows", stdin=subprocess.PIPE)
        wait_until(lambda: read_text(self._process.log_path).startswith("running\n"), "every connection is answered")

    def finish(self):
        """[{"servers": [names, in the order they answered], "requests", "slowest": seconds, "error": text or None}]"""
        self._process.stdin.close()
        self._process.wait(30)
        return json.loads(read_text(self._process.log_path).splitlines()[-1])["flows"]


def _server_header(answer):
    return next(line.split(":", 1)[1].strip() for line in answer.splitlines() if line.lower().startswith("x-server:"))
