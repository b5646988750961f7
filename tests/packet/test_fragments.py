"""Fragments: a sentence, frames in, frames out. Scapy cuts the datagrams, and puts together what comes out."""

import random

import pytest
from scapy.all import ICMP, IP, Raw, TCP, UDP, defragment, fragment

from replay import CLIENT_IP, Replay, SERVERS, VIP, at, config, layer3, tcp, to_lb, two_arms, udp


def parts_of(number=7, port=40000, size=2900, piece=1000, layer=udp):
    """A datagram's fragments, and the datagram; `number` is its identification."""
    packet = layer(port) / Raw(random.Random(number).randbytes(size))
    packet[IP].id = number
    return fragment(packet, piece), IP(bytes(packet))


def whole(frames):
    """The one datagram that scapy makes of the frames."""
    (packet,) = defragment([IP(bytes(frame[IP])) for frame in frames])
    return IP(bytes(packet))


@pytest.mark.parametrize("layer", [tcp, udp])
def test_all_fragments_go_to_the_server_of_the_whole_packet_unchanged(tmp_path, layer):
    for number in range(1, 9):
        parts, packet = parts_of(number, port=number, layer=layer)
        result = Replay(tmp_path, [to_lb(layer(number)), *map(to_lb, parts)])
        assert result.counts["forwarded"] == 1 + len(parts)
        assert len({verdict["server"] for verdict in result.verdicts}) == 1
        assert [bytes(frame[IP]) for frame in result.frames[1:]] == [bytes(part) for part in parts]
        assert bytes(whole(result.frames[1:]).payload) == bytes(packet.payload)


@pytest.mark.parametrize("order, sent", [
    ([0, 1, 2], [0, 1, 2]),
    ([0, 2, 1], [0, 2, 1]),
    ([1, 0, 2], [0, 1, 2]),
    ([2, 1, 0], [0, 2, 1]),
    ([1, 2, 0], [0, 1, 2]),
])
@pytest.mark.parametrize("configuration", [config(), layer3()], ids=["l2", "l3"])
def test_fragments_that_come_early_leave_right_after_the_first_one_in_their_order(tmp_path, configuration, order, sent):
    parts, _ = parts_of()
    assert len(parts) == 3
    result = Replay(tmp_path, [at(index, to_lb(parts[number])) for index, number in enumerate(order[:1])] +
                    [at(1, to_lb(parts[number])) for number in order[1:]], configuration)
    tunnel = 0 if configuration == config() else 20
    # What comes after the first one in the same burst does not wait, and so may leave before those that did.
    received = [bytes(part) for part in parts]
    assert sorted(bytes(frame[IP])[tunnel:] for frame in result.frames) == sorted(received)
    assert bytes(result.frames[0][IP])[tunnel:] == received[0]
    if order.index(0) in (0, 2):
        assert [bytes(frame[IP])[tunnel:] for frame in result.frames] == [received[number] for number in sent]
    assert result.counts["forwarded"] == 3
    assert len({verdict["server"] for verdict in result.verdicts}) == 1


def test_every_fragment_has_its_line_in_the_order_of_the_frames_also_when_it_was_held(tmp_path):
    parts, _ = parts_of()
    result = Replay(tmp_path, [to_lb(parts[2]), to_lb(tcp(dport=81)), to_lb(parts[1]), to_lb(tcp()), to_lb(parts[0])])
    assert [verdict["verdict"] for verdict in result.verdicts] == ["forwarded", "dropped", "forwarded", "forwarded", "forwarded"]
    assert [verdict["service"] for verdict in result.verdicts] == ["dns", None, "dns", "web", "dns"]


def test_fragments_of_many_datagrams_in_any_order_all_come_out_and_scapy_makes_the_datagrams_of_them(tmp_path):
    rng = random.Random(20261124)
    datagrams = [parts_of(number, port=number, size=rng.randrange(1000, 4000)) for number in range(1, 61)]
    frames = []
    for start in range(0, 60, 20):  # no more at a time than may wait
        burst = [to_lb(part) for parts, _ in datagrams[start:start + 20] for part in parts]
        rng.shuffle(burst)
        frames += [at(start, frame) for frame in burst]
    result = Replay(tmp_path, frames)
    assert result.counts["forwarded"] == len(frames) == len(result.frames)
    for number, (_, packet) in enumerate(datagrams, start=1):
        mine = [frame for frame in result.frames if frame[IP].id == number]
        assert bytes(whole(mine).payload) == bytes(packet.payload)
        assert len({frame.dst for frame in mine}) == 1


def test_a_fragment_whose_first_one_does_not_come_is_dropped_as_fragment_expired(tmp_path):
    parts, _ = parts_of()
    late = [at(0, to_lb(parts[1])), at(1, to_lb(tcp(1))), at(3, to_lb(tcp(2))), at(4, to_lb(parts[0]))]
    result = Replay(tmp_path, late)
    assert [verdict["reason"] for verdict in result.verdicts] == ["fragment_expired", None, None, None]
    (tmp_path / "end").mkdir()
    at_the_end = Replay(tmp_path / "end", [to_lb(parts[1]), to_lb(tcp(1))])
    assert [verdict["reason"] for verdict in at_the_end.verdicts] == ["fragment_expired", None]


def test_one_second_is_not_too_long_to_wait(tmp_path):
    parts, _ = parts_of()
    result = Replay(tmp_path, [at(0, to_lb(parts[1])), at(0, to_lb(parts[2])), at(1, to_lb(parts[0]))])
    assert result.counts["forwarded"] == 3


def test_a_first_fragment_is_remembered_for_some_seconds_only(tmp_path):
    parts, _ = parts_of()
    result = Replay(tmp_path, [at(0, to_lb(parts[0])), at(4, to_lb(parts[1])), at(6, to_lb(parts[2]))])
    assert [verdict["reason"] for verdict in result.verdicts] == [None, None, "fragment_expired"]


def test_when_too_many_wait_the_oldest_are_dropped_as_fragment_overflow(tmp_path):
    frames = [at(0, to_lb(parts_of(number, size=1500)[0][1])) for number in range(1, 301)]
    result = Replay(tmp_path, frames)
    dropped = result.counts["dropped"]
    assert set(dropped) == {"fragment_overflow", "fragment_expired"} and dropped["fragment_overflow"] == 300 - 256
    assert [verdict["reason"] for verdict in result.verdicts] == ["fragment_overflow"] * 44 + ["fragment_expired"] * 256


@pytest.mark.parametrize("field, value", [("src", "10.0.0.51"), ("id", 8), ("proto", 6)])
def test_a_fragment_follows_no_first_one_of_another_datagram(tmp_path, field, value):
    parts, _ = parts_of()
    setattr(parts[1], field, value)
    result = Replay(tmp_path, [to_lb(parts[0]), to_lb(parts[1])])
    assert [verdict["reason"] for verdict in result.verdicts] == [None, "fragment_expired"]


def test_the_identification_of_a_complete_datagram_is_free_for_another_client_port(tmp_path):
    first, _ = parts_of(7, port=1)
    second, _ = parts_of(7, port=2)
    for port in range(2, 100):  # one that goes to the other server
        second, _ = parts_of(7, port=port)
        result = Replay(tmp_path, [*map(to_lb, first), *map(to_lb, reversed(second))])
        servers = [verdict["server"] for verdict in result.verdicts]
        assert len(set(servers[:3])) == len(set(servers[3:])) == 1
        if servers[0] != servers[3]:
            return
    assert False, "no port went to the other server"


def test_fragments_that_are_too_large_for_the_way_to_the_server_are_cut_again(tmp_path):
    parts, packet = parts_of(size=4400, piece=1480)
    assert max(len(part) for part in parts) == 1500
    for name, configuration in (("l2", two_arms(server_mtu=900)), ("l3", layer3())):
        (tmp_path / name).mkdir()
        result = Replay(tmp_path / name, [to_lb(part) for part in reversed(parts)], configuration)
        assert result.counts["forwarded"] == len(parts) < len(result.frames)
        packets = [frame[IP] if name == "l2" else frame[IP].payload for frame in result.frames]
        assert all(len(frame[IP]) <= (900 if name == "l2" else 1500) for frame in result.frames)
        (again,) = defragment([IP(bytes(one)) for one in packets])
        assert bytes(IP(bytes(again)).payload) == bytes(packet.payload)


def test_a_later_fragment_with_df_that_does_not_fit_is_dropped_for_no_error_may_be_sent_about_it(tmp_path):
    parts, _ = parts_of(size=4400, piece=1480)
    parts[1].flags = "MF+DF"
    result = Replay(tmp_path, [to_lb(parts[0]), to_lb(parts[1])], layer3())
    assert [verdict["reason"] for verdict in result.verdicts] == [None, "exceeds_mtu"]


def test_the_fragments_of_a_per_packet_service_stay_together_while_datagrams_spread(tmp_path):
    configuration = config()
    configuration["network_profiles"][1]["per_packet"] = True
    del configuration["network_profiles"][1]["session_idle_timeout"]
    frames = [to_lb(part) for number in range(1, 31) for part in parts_of(number)[0]]
    result = Replay(tmp_path, frames, configuration)
    servers = [verdict["server"] for verdict in result.verdicts]
    triples = list(zip(*[iter(servers)] * 3))
    assert all(len(set(triple)) == 1 for triple in triples)
    assert set(servers) == set(SERVERS)


def test_fragments_of_a_forwarded_ping_stay_together(tmp_path):
    configuration = config()
    for service in configuration["virtual_services"]:
        service["icmp_echo"] = "forward"
    for identifier in range(1, 9):
        parts = fragment(IP(src=CLIENT_IP, dst=VIP, id=identifier) / ICMP(type=8, id=identifier) / Raw(bytes(2000)), 800)
        result = Replay(tmp_path, [to_lb(part) for part in (parts[1], parts[0], parts[2])], configuration)
        assert result.counts["forwarded"] == 3
        assert len({verdict["server"] for verdict in result.verdicts}) == 1


def test_a_first_fragment_without_a_service_is_not_served_and_the_others_wait_in_vain(tmp_path):
    packet = IP(src=CLIENT_IP, dst=VIP, id=7) / UDP(sport=1, dport=54) / Raw(bytes(2000))
    result = Replay(tmp_path, [to_lb(part) for part in fragment(packet, 1000)])
    assert [verdict["reason"] for verdict in result.verdicts] == ["not_served", "fragment_expired", "fragment_expired"]


def test_an_unfinished_checksum_of_a_fragmented_packet_is_not_touched(tmp_path):
    """Only a part of what it covers is there; a kernel finishes it before it cuts."""
    packet = IP(bytes(IP(src=CLIENT_IP, dst=VIP, id=7) / TCP(sport=1, dport=80, flags="A") / Raw(bytes(1988))))
    parts = fragment(packet, 1000)
    length = len(parts[0].payload)
    words = bytes.fromhex("0a000032" "0a000064") + bytes([0, 6]) + length.to_bytes(2, "big")
    total = sum(int.from_bytes(words[i:i + 2], "big") for i in range(0, len(words), 2))
    raw = bytearray(bytes(parts[0]))
    raw[36:38] = ((total & 0xffff) + (total >> 16)).to_bytes(2, "big")
    result = Replay(tmp_path, [to_lb(IP(bytes(raw)))])
    assert bytes(result.frames[0][IP]) == bytes(raw)
