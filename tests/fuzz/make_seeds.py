#!/usr/bin/python3
"""Writes the seeds of fuzz_forward, whose format is at the top of fuzz_forward.cpp.

    /usr/bin/python3 tests/fuzz/make_seeds.py      writes tests/fuzz/corpus/fuzz_forward/*
"""

import pathlib
import random

from scapy.all import ARP, Dot1Q, Ether, ICMP, IP, IPOption_Router_Alert, Padding, Raw, TCP, UDP, fragment

LB, CLIENT = "02:00:00:00:00:02", "02:00:00:00:00:50"
CLIENT_IP, VIP = "10.0.0.50", "10.0.0.100"
TCP_L3, UDP_L3, TWO_ARMS, PER_PACKET, FORWARD_ECHO, OUTER_SOURCE, NO_OFFLOADS, FAR_SERVERS = (1 << i for i in range(8))
ALL_L3 = TCP_L3 | UDP_L3
REPAIRS, STEP = 1 | 2 | 4 | 32, 16  # to lb, to the VIP, both checksums
MTU_1500, MTU_576, MTU_1400, MTU_9000 = range(4)


def seed(options, mtus, *records):
    """mtus: of both interfaces. Records: a scapy packet, (step, packet), or (repairs, None, packet)."""
    data = bytes([options, mtus[0] | mtus[1] << 2])
    for record in records:
        *how, packet = record if isinstance(record, tuple) else (record,)
        repairs, step = how if len(how) == 2 else (REPAIRS, how[0] if how else None)
        frame = bytes(packet if Ether in packet else Ether(dst=LB, src=CLIENT) / packet)
        data += bytes([repairs] if step is None else [repairs | STEP, step]) + len(frame).to_bytes(2, "big") + frame
    return data


def client_ip(**fields):
    return IP(**{"src": CLIENT_IP, "dst": VIP, "id": 7, "flags": "DF", **fields})


def tcp(flags="S", size=0, port=40000, df=True, **fields):
    return client_ip(flags="DF" if df else 0, **fields) / TCP(sport=port, dport=80, flags=flags, seq=1000) / Raw(bytes(size))


def udp(size=4, port=40000, **fields):
    return client_ip(**fields) / UDP(sport=port, dport=53) / Raw(bytes(size))


def echo(size=8, **fields):
    return client_ip(**fields) / ICMP(type=8, id=77, seq=1) / Raw(bytes(size))


def error(kind, code, quoted):
    return IP(src="10.0.0.1", dst=VIP) / ICMP(type=kind, code=code) / Raw(quoted)


def seconds(count):
    return count << 3


def drain(server):
    return server << 3 | 2


def disable(server):
    return server << 3 | 3


def seeds():
    parts = fragment(udp(2900, flags=0), 1000)
    ping_parts = fragment(echo(1000, flags=0), 400)
    small_parts = fragment(udp(900, flags=0), 320)
    reply = bytes(IP(src=VIP, dst=CLIENT_IP) / TCP(sport=80, dport=40000, flags="A"))
    udp_reply = bytes(IP(src=VIP, dst=CLIENT_IP, options=[IPOption_Router_Alert()]) / UDP(sport=53, dport=40000) / b"reply")
    payload = random.Random(1).randbytes(3400)
    small = (MTU_576, MTU_576)
    yield "arp", seed(0, (0, 0), Ether(dst="ff:ff:ff:ff:ff:ff", src=CLIENT) / ARP(op=1, hwsrc=CLIENT, psrc=CLIENT_IP, pdst=VIP))
    yield "vlan", seed(TCP_L3, (0, 0), Ether(dst=LB, src=CLIENT) / Dot1Q(vlan=42) / Dot1Q(vlan=7) / tcp())
    yield "padding", seed(ALL_L3, (0, 0), Ether(dst=LB, src=CLIENT) / udp(0) / Padding(bytes(18)))
    yield "return", seed(0, (0, 0), IP(src=VIP, dst=CLIENT_IP) / UDP(sport=53, dport=40000) / b"reply")
    yield "connection", seed(0, (0, 0), tcp("S"), tcp("A"), tcp("PA", 20), tcp("FA"), tcp("A"), tcp("R"), tcp("S"))
    yield "connection-l3", seed(ALL_L3, (0, 0), tcp("S"), tcp("PA", 20), tcp("R"), tcp("FA"))
    yield "connection-far-servers", seed(ALL_L3 | FAR_SERVERS | OUTER_SOURCE, (0, 0), tcp("S"), tcp("A", 5), udp())
    yield "udp-per-packet", seed(PER_PACKET, (0, 0), udp(), udp(), udp(5))
    yield "idle", seed(0, (0, 0), udp(), (seconds(11), udp()), (seconds(1) | 1, udp()))
    yield "drain", seed(0, (0, 0), tcp("S"), tcp("A"), (drain(0), tcp("A")), (drain(1), tcp("S")), (disable(0), tcp("A")))
    yield "fragments", seed(0, (0, 0), *parts)
    yield "fragments-early", seed(0, (0, 0), small_parts[2], small_parts[1], small_parts[0])
    yield "fragments-early-l3", seed(ALL_L3, (0, 0), small_parts[1], small_parts[2], small_parts[0], tcp())
    yield "fragments-expire", seed(0, (0, 0), small_parts[2], small_parts[1], (seconds(2), udp()), small_parts[0])
    yield "fragments-disabled", seed(0, (0, 0), small_parts[0], (disable(0), small_parts[1]), (disable(1), small_parts[2]))
    yield "fragments-service-gone", seed(UDP_L3, (0, 0), small_parts[0], (1 << 3 | 7, small_parts[1]))
    yield "fragments-cut-again", seed(ALL_L3, small, parts[0], parts[1], parts[2], parts[3] if len(parts) > 3 else udp())
    yield "fragment-beyond-the-end", seed(0, (MTU_1500, MTU_576), client_ip(flags=0, frag=8191, proto=17) / Raw(bytes(600)))
    yield "icmp-errors", seed(0, (0, 0), tcp("A"), error(3, 4, reply[:28]), error(11, 0, reply), error(12, 0, udp_reply),
                              error(5, 1, reply))
    yield "icmp-error-l3", seed(ALL_L3, (0, 0), error(3, 4, reply[:28]), error(3, 3, reply[:27]))
    ours = bytes(IP(src="10.0.0.2", dst="10.0.0.11", id=0, flags="DF") / udp(900))
    tunnel_error = IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(type=3, code=4, nexthopmtu=600) / Raw(ours[:200])
    other_error = tunnel_error.copy()
    other_error[ICMP].payload = Raw(ours[:16] + bytes([10, 0, 0, 12]) + ours[20:48])
    as_it_is = REPAIRS & ~2  # not to the VIP
    yield "tunnel-errors", seed(ALL_L3, (0, 0), (as_it_is, None, tunnel_error), (as_it_is, None, other_error), udp(620), udp(620, port=1),
                                udp(620, flags=0), tcp("A", 620))
    yield "echo", seed(0, (0, 0), echo(), echo(3), echo(0, options=[IPOption_Router_Alert()]))
    yield "echo-forward", seed(FORWARD_ECHO | ALL_L3, (0, 0), echo(), *ping_parts)
    yield "echo-forward-large", seed(FORWARD_ECHO, small, echo(1000), echo(1000, flags=0))
    yield "large-df", seed(ALL_L3, (0, 0), udp(1472), tcp("A", 1460))
    yield "large-no-df", seed(ALL_L3 | TWO_ARMS, (MTU_1500, MTU_576), udp(1400, flags=0),
                              tcp("A", 1400, df=False, options=[IPOption_Router_Alert(copy_flag=0)]))
    yield "large-no-offloads", seed(NO_OFFLOADS | TWO_ARMS, (MTU_1500, MTU_576), tcp("A", 1000), tcp("A", 1000, df=False), udp(1000))
    yield "super-frame", seed(0, (0, 0), client_ip() /
                              TCP(sport=5, dport=80, flags="FPAC", seq=2**32 - 100, options=[("Timestamp", (1, 2))]) / payload)
    yield "super-frame-l3", seed(ALL_L3, small, client_ip(flags=0, id=65535) / TCP(sport=5, dport=80, flags="PA") / payload[:2000])
    yield "udp-super-frame", seed(0, small, udp(1000))


if __name__ == "__main__":
    directory = pathlib.Path(__file__).parent / "corpus" / "fuzz_forward"
    for old in directory.iterdir():
        old.unlink()
    for name, data in seeds():
        assert len(data) <= 4096, name  # run.sh's -max_len
        (directory / name).write_bytes(data)
