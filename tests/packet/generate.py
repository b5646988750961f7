#!/usr/bin/python3
"""Makes golden.json: frames that scapy builds, with the fields that scapy reads back from their bytes.

The C++ parser must read the same fields, and the C++ builder must build the same bytes (tests/unit/common/golden_test.cpp);
test_golden.py shows that the committed file is what scapy makes now. Run this to write the file anew:

    /usr/bin/python3 tests/packet/generate.py > tests/packet/golden.json
"""

import json
import sys

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_RR, IPOption_Timestamp
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import NoPayload, Padding, Raw

CLIENT_MAC, BALANCER_MAC, SERVER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:11"
CLIENT, VIP, BALANCER, SERVER = "198.51.100.1", "203.0.113.10", "10.0.0.2", "10.0.0.11"
QUOTE_LIMIT = 8  # RFC 792: an error quotes the header and this many bytes


def ether(**fields):
    return Ether(**{"dst": BALANCER_MAC, "src": CLIENT_MAC, **fields})


def ip(**fields):
    return IP(**{"src": CLIENT, "dst": VIP, "id": 0, "flags": "DF", "ttl": 64, **fields})


def frames():
    """(name, scapy packet, whether the builder can express it)."""
    syn = TCP(sport=40000, dport=80, flags="S", seq=1000, ack=0, window=64240,
              options=[("MSS", 1460), ("SAckOK", b""), ("Timestamp", (123456, 0)), ("NOP", None), ("WScale", 7)])
    yield "tcp syn with options", ether() / ip() / syn, True
    yield ("tcp data, odd length", ether() / ip(id=4711, tos=0x2E) / TCP(sport=40000, dport=80, flags="PA", seq=0xFFFFFFF0,
           ack=0x80000001, window=502) / Raw(b"GET / HTTP/1.1\r\n\r\nx"), True)
    yield ("tcp every flag", ether() / ip(ttl=1) / TCP(sport=1, dport=65535, flags="FSRPAUEC", seq=0, ack=0, window=0), True)
    yield "tcp reset without DF", ether() / ip(flags=0, id=65535, ttl=255) / TCP(sport=80, dport=40000, flags="R", seq=5, ack=0, window=0), True
    yield "udp", ether() / ip() / UDP(sport=40000, dport=53) / Raw(bytes(range(32))), True
    yield "udp without payload", ether() / ip() / UDP(sport=40000, dport=53), True
    yield "udp without checksum", ether() / ip() / UDP(sport=40000, dport=53, chksum=0) / Raw(b"none"), False
    yield "udp of full size", ether() / ip() / UDP(sport=40000, dport=53) / Raw(bytes(i % 251 for i in range(1472))), True
    yield ("arp request", ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=CLIENT_MAC, psrc="10.0.0.1",
           hwdst="00:00:00:00:00:00", pdst=VIP), True)
    yield "arp reply", ether(dst=CLIENT_MAC, src=BALANCER_MAC) / ARP(op=2, hwsrc=BALANCER_MAC, psrc=VIP, hwdst=CLIENT_MAC, pdst="10.0.0.1"), True
    yield ("arp request padded to 60 bytes", ether(dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=CLIENT_MAC, psrc="10.0.0.1",
           hwdst="00:00:00:00:00:00", pdst=VIP) / Padding(bytes(18)), True)
    yield "tcp ack padded to 60 bytes", ether() / ip() / TCP(sport=40000, dport=80, flags="A", seq=1, ack=2, window=3) / Padding(bytes(6)), True
    yield "802.1Q tag", ether() / Dot1Q(vlan=4094) / ip() / UDP(sport=1, dport=2) / Raw(b"tagged"), True
    yield "802.1Q tag with priority", ether() / Dot1Q(vlan=7, prio=5, id=1) / ip() / syn, False
    yield "two 802.1Q tags", ether() / Dot1Q(vlan=100) / Dot1Q(vlan=200) / ip() / syn, True
    yield "802.1ad service tag", ether() / Dot1AD(vlan=100) / Dot1Q(vlan=200) / ip() / UDP(sport=1, dport=2), False
    yield "tagged arp", ether() / Dot1Q(vlan=1) / ARP(op=1, hwsrc=CLIENT_MAC, psrc="10.0.0.1", hwdst="00:00:00:00:00:00", pdst=VIP), True
    yield ("ipv4 options", ether() / ip(options=[IPOption_NOP(), IPOption_RR(length=39, routers=["0.0.0.0"] * 9)]) /
           TCP(sport=40000, dport=80, flags="S", seq=1, ack=0, window=1), True)
    yield "ipv4 padded options", ether() / ip(options=[IPOption_NOP()]) / UDP(sport=1, dport=2) / Raw(b"o"), True
    whole = bytes(UDP(sport=40000, dport=53, len=2000, chksum=0x1234))
    yield "first fragment", ether() / ip(flags="MF", id=77, proto=17) / Raw(whole + bytes(1472)), True
    yield "middle fragment", ether() / ip(flags="MF", id=77, frag=185, proto=17) / Raw(bytes(1480)), True
    yield "last fragment", ether() / ip(flags=0, id=77, frag=370, proto=17) / Raw(b"the end"), True
    yield "fragment at the largest offset", ether() / ip(flags=0, id=77, frag=8191, proto=6) / Raw(b"1234567"), True
    yield "echo request", ether() / ip() / ICMP(type=8, code=0, id=0x1234, seq=9) / Raw(b"ping"), True
    yield "echo reply", ether() / ip() / ICMP(type=0, code=0, id=0x1234, seq=9) / Raw(b"pong!"), True
    quoted = IP(bytes(IP(src=VIP, dst=CLIENT, id=5, flags="DF", ttl=63) / TCP(sport=80, dport=40000, flags="A", seq=77, ack=1) / Raw(bytes(1400))))
    quote = bytes(quoted)[:20 + QUOTE_LIMIT]
    yield "icmp fragmentation needed, 8 bytes quoted", ether() / ip(src="192.0.2.1") / ICMP(type=3, code=4, nexthopmtu=1400) / Raw(quote), True
    yield "icmp port unreachable", ether() / ip(src=SERVER) / ICMP(type=3, code=3) / Raw(bytes(IP(src=CLIENT, dst=VIP, id=1) / UDP(sport=40000, dport=53) / Raw(b"q"))), True
    yield "icmp time exceeded", ether() / ip(src="192.0.2.1") / ICMP(type=11, code=0) / Raw(quote), True
    yield ("ip in ip", ether(dst=SERVER_MAC, src=BALANCER_MAC) / IP(src=BALANCER, dst=SERVER, id=0, flags="DF", ttl=64, tos=8) /
           ip(tos=8, ttl=57) / TCP(sport=40000, dport=80, flags="PA", seq=9, ack=10, window=11) / Raw(b"inner"), True)
    yield ("ip in ip, udp of odd length", ether(dst=SERVER_MAC, src=BALANCER_MAC) / IP(src=BALANCER, dst=SERVER, id=3, flags=0, ttl=64) /
           ip(flags=0, id=9) / UDP(sport=40000, dport=53) / Raw(b"odd"), True)
    yield "another protocol", ether() / ip(proto=47) / Raw(b"gre?"), True


def hex_of(layer):
    return bytes(layer).hex()


def ipv4_fields(layer):
    header = bytes(layer)[:layer.ihl * 4]
    return {"layer": "ipv4", "source": layer.src, "destination": layer.dst, "protocol": layer.proto, "ttl": layer.ttl,
            "tos": layer.tos, "id": layer.id, "dont_fragment": bool(layer.flags.DF), "more_fragments": bool(layer.flags.MF),
            "fragment_offset": layer.frag * 8, "options": header[20:].hex()}


def ethernet_fields(layer):
    """One entry for the header and its tags, and what follows them."""
    fields = {"layer": "ethernet", "source": layer.src, "destination": layer.dst, "vlans": []}
    ether_type, inner = layer.type, layer.payload
    while isinstance(inner, (Dot1Q, Dot1AD)):
        fields["vlans"].append(inner.vlan)
        ether_type, inner = inner.type, inner.payload
    return {**fields, "ether_type": ether_type}, inner


def arp_fields(layer):
    return {"layer": "arp", "operation": layer.op, "sender_mac": layer.hwsrc, "sender_address": layer.psrc,
            "target_mac": layer.hwdst, "target_address": layer.pdst}


def tcp_fields(layer):
    header = bytes(layer)[:layer.dataofs * 4]
    return {"layer": "tcp", "source_port": layer.sport, "destination_port": layer.dport, "sequence": layer.seq,
            "acknowledgment": layer.ack, "flags": int(layer.flags), "window": layer.window, "options": header[20:].hex()}


def udp_fields(layer):
    return {"layer": "udp", "source_port": layer.sport, "destination_port": layer.dport, "length": layer.len,
            "has_checksum": layer.chksum != 0}


def icmp_fields(layer):
    rest = bytes(layer)[4:8]
    return {"layer": "icmp", "type": layer.type, "code": layer.code, "rest_high": int.from_bytes(rest[:2], "big"),
            "rest_low": int.from_bytes(rest[2:], "big")}


READERS = {ARP: arp_fields, IP: ipv4_fields, TCP: tcp_fields, UDP: udp_fields, ICMP: icmp_fields}


def layers_of(frame):
    """What scapy reads from the bytes of a frame, outermost first."""
    first, layer = ethernet_fields(Ether(frame))
    layers, padding = [first], 0
    while not isinstance(layer, NoPayload):
        if isinstance(layer, Padding):
            padding = len(layer.load)
        elif type(layer) in READERS:
            layers.append(READERS[type(layer)](layer))
            if isinstance(layer, ICMP):  # the quoted packet is payload here; the C++ side parses it again
                body = bytes(layer)[8:]
                if body:
                    layers.append({"layer": "payload", "bytes": body.hex()})
                break
            if isinstance(layer, IP) and (layer.flags.MF or layer.frag):  # no layer above has a whole header for sure
                layers.append({"layer": "payload", "bytes": bytes(layer)[layer.ihl * 4:layer.len].hex()})
                break
        else:
            layers.append({"layer": "payload", "bytes": bytes(layer).hex()})
            break
        layer = layer.payload
    if padding:
        layers.append({"layer": "padding", "count": padding})
    return layers


def golden():
    entries = []
    for name, packet, buildable in frames():
        data = bytes(packet)
        entries.append({"name": name, "bytes": data.hex(), "buildable": buildable, "layers": layers_of(data)})
    return entries


def text():
    return json.dumps(golden(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
