"""Layer 3 DSR: lb wraps requests in IP-in-IP for servers on its segment and beyond a router; replies go round it.
Every segment has an MTU of 1500, so that the tunnel leaves 1480 bytes."""

import contextlib
import hashlib

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, fragment

from lab import traffic
from lab.accounts import assert_counters_hold, per_server, service
from lab.capture import Capture
from lab.programs import LoadBalancer, filter_counters, lb_config, prepare_servers
from lab.services import UDP_PORT, large_body

TUNNEL_MTU = 1480
TUNNEL_MSS = 1440
WHOLE = 65536  # bytes of a packet to capture
UPLOAD = large_body()[: 5 << 20]

every_client = pytest.mark.parametrize("client", ["client", "far"])


@pytest.fixture
def lb(layer3_lab):
    """lb running on layer3_lab, for this test alone. No host has learned a path MTU yet."""
    for host in layer3_lab.hosts.values():
        host.ip("route flush cache")
    with LoadBalancer(layer3_lab, lb_config(layer3_lab, dsr_type="l3")) as running:
        yield running


@contextlib.contextmanager
def at_servers(lab, filter, snaplen=WHOLE):
    """Captures of what is sent to each server: {name: Capture}. The packets are as they came by the wire, before they are
    decapsulated; without those that a bridge floods because it has not learned the router yet."""
    with contextlib.ExitStack() as captures:
        yield {server.name: captures.enter_context(Capture(server, "eth0", f"ether dst {server.mac} and {filter}", snaplen))
               for server in lab.servers}


def outer_fragments(lab):
    return sum(filter_counters(lab, server)["outer_fragments"] for server in lab.servers)


def checksum_holds(packet, layer):
    """What scapy computes is what the packet has."""
    fresh = packet[IP].copy()
    given = fresh[layer].chksum
    del fresh[layer].chksum
    return IP(bytes(fresh))[layer].chksum == given


# -- requests, and replies round lb ------------------------------------------------------------------------------------


@every_client
def test_500_http_requests_are_all_answered_by_all_three_servers(layer3_lab, lb, client):
    host = layer3_lab[client]
    retransmitted = traffic.syn_retransmissions(host)
    result = traffic.http_requests(host, layer3_lab.vip, 500)
    assert result["errors"] == []
    assert sum(result["answers"].values()) == 500
    assert sorted(result["answers"]) == ["s1", "s2", "s3"]
    assert min(result["answers"].values()) > 90  # equal servers: 167 each, 90 is 7 standard deviations away
    assert traffic.syn_retransmissions(host) == retransmitted
    assert_counters_hold(lb)
    assert service(lb.counters(), "web")["packets"] >= 1500  # at least SYN, ACK, request for each flow


@every_client
def test_3000_udp_echoes_lose_nothing_and_no_flow_is_split(layer3_lab, lb, client):
    lab = layer3_lab
    before = traffic.echoes_so_far(lab)
    result = traffic.udp_echoes(lab[client], lab.vip, 3000, flows=60)
    assert (result["answered"], result["lost"], result["wrong"]) == (3000, 0, 0)
    assert result["sources"] == {lab.vip: 3000}
    assert service(lb.counters(), "echo")["packets"] == 3000
    assert_counters_hold(lb)
    gained = {name: count - before[name] for name, count in traffic.echoes_so_far(lab).items()}
    assert all(count % 50 == 0 and count > 0 for count in gained.values()), gained  # 60 flows of 50 datagrams
    assert {server.address: gained[server.name] for server in lab.servers} == per_server(lb.counters(), "echo")


def test_no_reply_crosses_lb(layer3_lab, lb):
    lab = layer3_lab
    from_vip = f"ip src host {lab.vip} and not icmp and ether host {lab.lb.mac}"  # sent to lb, or by it
    with Capture(lab.lb, "eth0", f"ip dst host {lab.vip}") as requests, Capture(lab.lb, "eth0", from_vip) as replies:
        for client in lab.clients:
            assert traffic.http_requests(client, lab.vip, 100)["errors"] == []
            assert traffic.udp_echoes(client, lab.vip, 300)["lost"] == 0
            for _ in range(3):
                assert traffic.download(client, lab.vip)[1] == hashlib.sha256(large_body()).hexdigest()
    assert {packet[IP].src for packet in requests.packets} == {client.address for client in lab.clients}
    assert list(replies.packets) == []
    assert_counters_hold(lb)


@every_client
def test_a_ping_of_the_vip_is_answered_by_lb_itself(layer3_lab, lb, client):
    lab = layer3_lab
    echo_reply = f"icmp[icmptype] == icmp-echoreply and src host {lab.vip}"
    with Capture(lab.lb, "eth0", f"{echo_reply} and ether src {lab.lb.mac}") as by_lb, at_servers(lab, "ip proto 4") as tunnels:
        answer = lab[client].run("ping", "-c3", "-i0.2", "-W2", lab.vip).stdout
    assert "3 received" in answer
    assert [packet[IP].dst for packet in by_lb.packets] == [lab[client].address] * 3
    assert all(list(capture.packets) == [] for capture in tunnels.values())


# -- the header that lb puts in front ----------------------------------------------------------------------------------

PORTS = range(41000, 41030)  # 30 flows: enough that each of three servers has some


@pytest.mark.parametrize("dont_fragment", [True, False], ids=["df", "no-df"])
@pytest.mark.parametrize("tos", [0x00, 0xb8 | 0x02], ids=["best-effort", "expedited-ecn"])
def test_the_outer_header_is_as_designed_and_the_inner_packet_as_the_client_sent_it(layer3_lab, lb, tos, dont_fragment):
    lab, client = layer3_lab, layer3_lab.client
    with (Capture(client, "eth0", f"udp and dst host {lab.vip}", WHOLE) as sent,
          at_servers(lab, "ip proto 4") as tunnels):
        result = traffic.udp_datagrams(client, lab.vip, 500, PORTS, tos=tos, dont_fragment=dont_fragment)
    assert result == {"answered": [*PORTS], "wrong": 0}
    originals = {packet[UDP].sport: packet[IP] for packet in sent.packets}
    assert sorted(originals) == [*PORTS]
    assert {(packet.tos, "DF" in packet.flags) for packet in originals.values()} == {(tos, dont_fragment)}

    seen = []
    for server in lab.servers:
        packets = tunnels[server.name].packets
        assert packets, f"no flow went to {server.name}"
        for packet in packets:
            outer, inner = packet[IP], packet[IP].payload
            assert (outer.src, outer.dst, outer.proto) == (lab.lb.address, server.address, 4)
            assert outer.ttl == (64 if server.name == "s1" else 63)  # lb sends 64; a router is in front of the others
            assert outer.tos == tos
            assert str(outer.flags) == ("DF" if dont_fragment else "")
            assert outer.frag == 0
            if dont_fragment:
                assert outer.id == 0
            assert outer.ihl == 5
            assert outer.len == inner.len + 20 == len(outer)
            assert checksum_holds(packet, IP), "the checksum of the outer header"
            assert_same_packet(inner, originals[inner[UDP].sport])
            assert inner.ttl == 64
            seen.append(inner[UDP].sport)
    assert sorted(seen) == [*PORTS]  # each once


def assert_same_packet(arrived, sent):
    """Byte for byte. Only the UDP checksum may differ: the client's kernel leaves it to the network card, lb computes it."""
    assert checksum_holds(arrived, UDP), "the inner UDP checksum"
    arrived, sent = bytearray(bytes(arrived)), bytearray(bytes(sent))
    checksum = slice(20 + 6, 20 + 8)
    arrived[checksum] = sent[checksum] = b"\0\0"
    assert arrived == sent


# -- full-size packets, TCP --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def no_super_frames(host):
    """The host cuts TCP into packets itself, and finishes checksums: real 1500-byte packets reach lb."""
    features = ("tx", "sg", "tso", "gso")
    host.run("ethtool", "-K", "eth0", *(word for feature in features for word in (feature, "off")))
    try:
        yield
    finally:
        host.run("ethtool", "-K", "eth0", *(word for feature in features for word in (feature, "on")))


def assert_uploads_arrive(lab, client, name, count=4):
    """Several flows, so that more than one server is likely to get one."""
    body = f"{lab.directory}/{name}"
    with open(body, "wb") as file:
        file.write(UPLOAD)
    for number in range(count):
        server = traffic.upload(client, lab.vip, body, f"{name}-{number}")
        assert lab.nginx[server].uploaded(f"{name}-{number}") == hashlib.sha256(UPLOAD).hexdigest()


@every_client
def test_a_5_mb_upload_in_super_frames_arrives_whole(layer3_lab, lb, client):
    lab, before = layer3_lab, outer_fragments(layer3_lab)
    to_vip = f"tcp and dst host {lab.vip}"
    with Capture(lab[client], "eth0", to_vip, 96) as sent, at_servers(lab, "ip proto 4", 96) as tunnels:
        assert_uploads_arrive(lab, lab[client], f"super-{client}")
    assert max(packet.wirelen for packet in sent.packets) > 1514, "the client sent no super-frame: nothing to cut"
    sizes = [packet.wirelen for capture in tunnels.values() for packet in capture.packets]
    assert max(sizes) <= 1514
    assert sum(sizes) > 4 * len(UPLOAD)
    assert outer_fragments(lab) == before
    assert_counters_hold(lb)


@every_client
@pytest.mark.parametrize("cut", ["super-frames", "packets"])
def test_a_smaller_mtu_beyond_the_router_is_learned_and_black_holes_no_upload(layer3_lab, lb, client, cut):
    """The router tells lb, whose packets they are; lb cuts what it can to fit, and passes the error on to the client."""
    lab, host = layer3_lab, layer3_lab[client]
    lab["router"].ip("link set eth1 mtu 1400")
    try:
        with contextlib.nullcontext() if cut == "super-frames" else no_super_frames(host):
            assert_uploads_arrive(lab, host, f"narrow-{cut}-{client}", count=8)
        if cut == "packets":
            assert "mtu 1380" in host.ip(f"route get {lab.vip}")
    finally:
        lab["router"].ip("link set eth1 mtu 1500")
    assert lb.counters()["answers"]["fragmentation_needed"] > 0
    assert_counters_hold(lb)


def advertised(packets, source):
    """{MSS} in SYNs and SYN-ACKs from this address."""
    return {dict(packet[TCP].options).get("MSS") for packet in packets if packet[IP].src == source and "S" in packet[TCP].flags}


@every_client
@pytest.mark.parametrize("cut", ["super-frames", "packets"])
def test_servers_advertise_an_mss_that_fits_the_tunnel_and_uploads_need_no_icmp(layer3_lab, lb, client, cut):
    lab, host = layer3_lab, layer3_lab[client]
    with (contextlib.nullcontext() if cut == "super-frames" else no_super_frames(host),
          Capture(host, "eth0", f"tcp and host {lab.vip}", 96) as seen, Capture(host, "eth0", "icmp") as errors):
        assert_uploads_arrive(lab, host, f"mss-{cut}-{client}")
    assert advertised(seen.packets, lab.vip) == {TUNNEL_MSS}
    if cut == "packets":
        assert max(packet.wirelen for packet in seen.packets if packet[IP].src == host.address) == 14 + TUNNEL_MTU
    assert [packet.summary() for packet in errors.packets] == []
    assert lb.counters()["answers"]["fragmentation_needed"] == 0
    assert_counters_hold(lb)


def test_connections_of_the_servers_own_address_keep_their_mss(layer3_lab, lb):
    lab = layer3_lab
    for server in lab.servers:
        with Capture(lab.client, "eth0", f"tcp and host {server.address}") as seen:
            assert traffic.http_requests(lab.client, server.address, 3)["answers"] == {server.name: 3}
        assert advertised(seen.packets, server.address) == {1460}


@pytest.fixture
def unclamped(layer3_lab):
    """The servers advertise what their own MTU has room for, as a server without serverprep would."""
    for server in layer3_lab.servers:
        server.run("tc", "filter", "delete", "dev", "eth0", "egress")
    yield
    prepare_servers(layer3_lab, "l3")


@every_client
def test_a_5_mb_upload_in_full_size_packets_arrives_whole_and_the_client_learns_the_path_mtu(layer3_lab, lb, unclamped, client):
    lab, host, before = layer3_lab, layer3_lab[client], outer_fragments(layer3_lab)
    assert "mtu" not in host.ip(f"route get {lab.vip}")
    with (no_super_frames(host), Capture(host, "eth0", f"tcp and dst host {lab.vip}", 96) as sent,
          Capture(host, "eth0", "icmp", 1514) as errors):
        assert_uploads_arrive(lab, host, f"packets-{client}")
    assert max(packet.wirelen for packet in sent.packets) == 1514, "nothing that does not fit the tunnel was sent"
    assert f"mtu {TUNNEL_MTU}" in host.ip(f"route get {lab.vip}")
    assert errors.packets
    for packet in errors.packets:
        error, quoted = packet[ICMP], IP(bytes(packet[ICMP].payload))
        assert (error.type, error.code, error.nexthopmtu) == (3, 4, TUNNEL_MTU)
        assert checksum_holds(packet, ICMP)
        assert (packet[IP].src, packet[IP].dst) == (lab.vip, host.address)
        assert (quoted.src, quoted.dst, quoted.proto, quoted.len) == (host.address, lab.vip, 6, 1500)
        assert len(quoted) >= 28  # header and 8 bytes
    assert outer_fragments(lab) == before
    assert_counters_hold(lb)


# -- full-size packets and fragments, UDP ------------------------------------------------------------------------------


def assert_echoed_by_every_server(lab, client, size):
    """From 30 flows with DF clear. Returns the packets as they came to the servers, in tunnels."""
    echoes, lost = traffic.echoes_so_far(lab), outer_fragments(lab)
    with at_servers(lab, "ip proto 4") as tunnels:
        result = traffic.udp_datagrams(client, lab.vip, size, PORTS)
    assert result == {"answered": [*PORTS], "wrong": 0}
    gained = {name: count - echoes[name] for name, count in traffic.echoes_so_far(lab).items()}
    assert sum(gained.values()) == len(PORTS)
    assert all(count > 0 for count in gained.values()), gained
    assert outer_fragments(lab) == lost
    packets = [packet[IP] for capture in tunnels.values() for packet in capture.packets]
    assert max(len(packet) for packet in packets) <= 1500
    assert all("MF" not in packet.flags and packet.frag == 0 for packet in packets), "an outer fragment"
    return packets


@every_client
@pytest.mark.parametrize("size, pieces", [(1452, 1), (1453, 2), (1472, 2)], ids=["fits", "1-too-large", "full-size"])
def test_a_datagram_too_large_for_the_tunnel_is_fragmented_inside(layer3_lab, lb, client, size, pieces):
    """28 bytes of headers: 1452 bytes of payload make 1480, which just fits; 1472 make the client's MTU."""
    packets = assert_echoed_by_every_server(layer3_lab, layer3_lab[client], size)
    assert len(packets) == pieces * len(PORTS)
    inner = [packet.payload for packet in packets]
    assert sum(packet.len - 20 for packet in inner) == (8 + size) * len(PORTS)  # nothing twice, nothing missing
    assert all(checksum_holds(packet, IP) for packet in inner)
    assert_counters_hold(lb)


@every_client
def test_a_datagram_that_the_client_fragments_is_echoed_whole_by_every_server(layer3_lab, lb, client):
    assert_echoed_by_every_server(layer3_lab, layer3_lab[client], 4000)
    assert_counters_hold(lb)


@every_client
@pytest.mark.parametrize("order", ["reversed", "first-in-the-middle"])
def test_a_datagram_whose_fragments_arrive_out_of_order_is_echoed_whole(layer3_lab, lb, client, order):
    lab, host, before = layer3_lab, layer3_lab[client], outer_fragments(layer3_lab)
    body = UPLOAD[:4000]
    for number, port in enumerate(PORTS[:12]):
        whole = IP(src=host.address, dst=lab.vip, id=1000 + number) / UDP(sport=port, dport=UDP_PORT) / Raw(body)
        pieces = fragment(IP(bytes(whole)), fragsize=1480)
        assert [piece.frag * 8 for piece in pieces] == [0, 1480, 2960]
        last, middle, first = reversed(pieces)
        arranged = [last, middle, first] if order == "reversed" else [last, first, middle]
        assert traffic.send_raw(host, arranged, port, answers=1) == [(lab.vip, body)], f"from port {port}"
    assert outer_fragments(lab) == before
    assert_counters_hold(lb)
