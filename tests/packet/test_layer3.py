"""Layer 3 DSR: a sentence, frames in, frames out. Scapy builds the outer headers that lb must have built."""

import ipaddress
import random

import pytest
from scapy.all import Dot1Q, Ether, IP, IPOption_Router_Alert, Padding, Raw, TCP, UDP, defragment

from replay import (CLIENT, CLIENT_IP, LB, LB_IP, LB_SERVER_SIDE, ROUTER, Replay, SERVERS, VIP, far_servers, layer3, tcp,
                    to_lb, tunnelled, two_arms, udp, valid)


def inner_of(frame):
    """The packet inside, with an outer header that scapy finds right."""
    outer = frame[IP]
    assert outer.proto == 4 and outer.ttl == 64 and outer.ihl == 5 and outer.len == len(bytes(outer))
    again = IP(bytes(outer)[:20])
    del again.chksum
    assert bytes(again) == bytes(outer)[:20]
    return outer.payload


def df(layer, **fields):
    """An IP packet with DF set and its checksums computed."""
    layer[IP].flags = "DF"
    for name, value in fields.items():
        setattr(layer[IP], name, value)
    return IP(bytes(layer))


def clear_df(layer, **fields):
    layer[IP].flags = 0
    for name, value in fields.items():
        setattr(layer[IP], name, value)
    return IP(bytes(layer))


def test_a_frame_is_the_clients_packet_whole_in_the_outer_header_that_scapy_builds(tmp_path):
    packets = [df(tcp(sport)) for sport in range(1000, 1050)] + [df(udp(sport)) for sport in range(1000, 1050)]
    result = Replay(tmp_path, [to_lb(packet) for packet in packets], layer3())
    assert len(result.frames) == 100
    for packet, frame, verdict in zip(packets, result.frames, result.verdicts):
        assert bytes(frame) == bytes(tunnelled(packet, verdict["server"]))
    assert {frame[IP].dst for frame in result.frames} == set(SERVERS)


def test_layer_2_and_layer_3_give_a_flow_to_the_same_server(tmp_path):
    packets = [to_lb(tcp(sport)) for sport in range(100)]
    (tmp_path / "l2").mkdir()
    servers = [verdict["server"] for verdict in Replay(tmp_path / "l2", packets).verdicts]
    assert servers == [verdict["server"] for verdict in Replay(tmp_path, packets, layer3()).verdicts]


@pytest.mark.parametrize("sentence, fields", [
    ("ECN and DSCP are copied", {"tos": 0xb9}),
    ("the inner TTL is not touched, not even 1", {"ttl": 1}),
    ("the inner ID stays, the outer one is 0", {"id": 4711}),
    ("the inner reserved bit is nobody else's", {"flags": "DF+evil"}),
    ("IP options stay inside", {"options": [IPOption_Router_Alert()]}),
])
def test_with_df(tmp_path, sentence, fields):
    packet = df(udp(), **fields)
    result = Replay(tmp_path, [to_lb(packet)], layer3())
    assert bytes(result.frames[0]) == bytes(tunnelled(packet, result.verdicts[0]["server"])), sentence


def test_without_df_the_outer_packet_has_none_and_an_id_of_its_own(tmp_path):
    packets = [clear_df(udp(), id=number) for number in range(100)]
    frames = Replay(tmp_path, [to_lb(packet) for packet in packets], layer3()).frames
    assert all(frame[IP].flags == 0 and frame[IP].frag == 0 for frame in frames)
    assert [bytes(inner_of(frame)) for frame in frames] == [bytes(packet) for packet in packets]
    assert len({frame[IP].id for frame in frames}) == 100


def test_ethernet_padding_is_left_behind_and_vlan_tags_are_kept(tmp_path):
    packet = df(udp(payload=b""))
    padded = Ether(dst=LB, src=CLIENT) / packet / Padding(bytes(18))
    tagged = Ether(dst=LB, src=CLIENT) / Dot1Q(vlan=7, prio=3) / Dot1Q(vlan=9) / packet
    result = Replay(tmp_path, [padded, tagged], layer3())
    expected = tunnelled(packet, result.verdicts[0]["server"])
    assert bytes(result.frames[0]) == bytes(expected)
    tags = bytes(tagged)[12:20]
    assert bytes(result.frames[1]) == bytes(expected)[:12] + tags + bytes(expected)[12:]


def test_servers_behind_a_router_get_their_packets_through_it_and_what_it_brings_is_not_bounced(tmp_path):
    packets = [df(tcp(sport)) for sport in range(20)]
    result = Replay(tmp_path, [to_lb(packet, source=ROUTER) for packet in packets], far_servers())
    for packet, frame, verdict in zip(packets, result.frames, result.verdicts):
        assert bytes(frame) == bytes(tunnelled(packet, verdict["server"], mac=ROUTER))
    assert {verdict["server"] for verdict in result.verdicts} == {"172.16.0.11", "172.16.0.12"}


def test_with_two_interfaces_the_tunnel_starts_at_the_server_side(tmp_path):
    packet = df(tcp())
    result = Replay(tmp_path, [to_lb(packet)], layer3(two_arms()))
    assert bytes(result.frames[0]) == bytes(tunnelled(packet, result.verdicts[0]["server"], lb=LB_SERVER_SIDE))


def test_outer_source_spreads_flows_over_the_hosts_of_a_prefix_and_keeps_each_to_one(tmp_path):
    packets = [to_lb(df(tcp(sport))) for sport in range(500)]
    result = Replay(tmp_path, packets + packets, layer3(outer_source="10.200.0.0/28"))
    sources = [frame[IP].src for frame in result.frames]
    assert sources[:500] == sources[500:]
    assert set(sources) == {str(address) for address in ipaddress.ip_network("10.200.0.0/28").hosts()}
    assert all(inner_of(frame).dst == VIP for frame in result.frames)


def test_a_packet_of_1480_bytes_fits_the_tunnel(tmp_path):
    packet = df(udp(payload=bytes(1480 - 28)))
    result = Replay(tmp_path, [to_lb(packet)], layer3())
    assert bytes(result.frames[0]) == bytes(tunnelled(packet, result.verdicts[0]["server"]))
    assert len(result.frames[0]) == 1514


def test_what_is_too_large_without_df_leaves_as_whole_tunnelled_fragments_that_scapy_puts_together_again(tmp_path):
    payload = random.Random(2).randbytes(1472)
    packet = clear_df(udp(payload=payload), id=99)
    result = Replay(tmp_path, [to_lb(packet)], layer3())
    assert len(result.frames) == 2 and result.counts["forwarded"] == 1
    assert all(len(frame) <= 1514 and not frame[IP].flags.MF and frame[IP].frag == 0 for frame in result.frames)
    assert len({frame[IP].id for frame in result.frames}) == 2
    (whole,) = defragment([inner_of(frame) for frame in result.frames])
    assert bytes(IP(bytes(whole)).payload) == bytes(packet.payload)


def test_options_that_are_not_to_be_copied_are_in_the_first_fragment_only(tmp_path):
    options = [IPOption_Router_Alert(copy_flag=0), IPOption_Router_Alert(copy_flag=1)]
    packet = clear_df(IP(src=CLIENT_IP, dst=VIP, id=5, options=options) / UDP(sport=1, dport=53) / bytes(1460))
    frames = Replay(tmp_path, [to_lb(packet)], layer3()).frames
    first, second = (bytes(inner_of(frame))[20:28] for frame in frames)
    assert first == bytes(packet)[20:28]
    assert second == b"\x01" * 4 + bytes(packet)[24:28]


def test_a_tcp_super_frame_is_cut_into_tunnelled_segments(tmp_path):
    payload = random.Random(3).randbytes(20000)
    big = df(tcp(flags="PA", seq=2**32 - 5000) / payload)
    result = Replay(tmp_path, [to_lb(big)], layer3())
    assert len(result.frames) == -(-20000 // 1440)
    for frame in result.frames:
        inner = inner_of(frame)
        assert len(frame) <= 1514 and valid(inner)
        assert bytes(frame) == bytes(tunnelled(inner, result.verdicts[0]["server"]))
    assert b"".join(bytes(inner_of(frame)[TCP].payload) for frame in result.frames) == payload


def test_a_udp_super_frame_is_dropped_also_by_layer_3(tmp_path):
    joined = df(udp(payload=bytes(3000)))
    joined[UDP].chksum = 0x1234  # the first datagram's
    assert Replay(tmp_path, [to_lb(joined)], layer3()).only_reason() == "udp_super_frame"


def test_a_packet_that_an_on_link_server_routed_back_is_bounced(tmp_path):
    (verdict,) = Replay(tmp_path, [to_lb(tcp())], layer3()).verdicts
    assert Replay(tmp_path, [to_lb(tcp(), source=SERVERS[verdict["server"]])], layer3()).only_reason() == "bounced"


def test_tunnelled_packets_to_the_vip_are_not_served_and_those_to_lb_are_passed(tmp_path):
    inner = tcp()
    packets = [to_lb(IP(src="10.0.0.9", dst=VIP) / inner), to_lb(IP(src="10.0.0.9", dst=LB_IP) / inner)]
    result = Replay(tmp_path, packets, layer3())
    assert [verdict["reason"] or verdict["verdict"] for verdict in result.verdicts] == ["not_served", "passed"]


def test_a_thousand_random_packets_come_out_of_their_tunnels_as_they_went_in(tmp_path):
    rng = random.Random(20261124)
    packets = []
    for number in range(1000):
        layer = rng.choice([tcp, udp])(rng.randrange(1, 65536)) / Raw(rng.randbytes(rng.randrange(1400)))
        packets.append(rng.choice([df, clear_df])(layer, tos=rng.randrange(256), ttl=rng.randrange(1, 256), id=number))
    result = Replay(tmp_path, [to_lb(packet) for packet in packets], layer3())
    assert [bytes(inner_of(frame)) for frame in result.frames] == [bytes(packet) for packet in packets]
    for packet, frame in zip(packets, result.frames):
        assert frame[IP].tos == packet.tos and frame[IP].flags == packet.flags
        if packet.flags.DF:
            assert frame[IP].id == 0
    assert result.counts["forwarded"] == 1000
