"""Packet tests: a sentence, frames in, frames and verdicts out. Scapy builds and judges; lb's own code does neither."""

import json
import random

import pytest
from scapy.all import ARP, Dot1Q, Ether, ICMP, IP, IPOption_Router_Alert, Raw, TCP, UDP, rdpcap

from replay import CLIENT, CLIENT_IP, LB, Replay, SERVERS, VIP, config, run, tcp, to_lb, udp, valid, who_has


def test_forwarded_frames_differ_from_what_came_in_by_their_mac_addresses_only(tmp_path):
    packets = [to_lb(tcp(sport)) for sport in range(1000, 1100)] + [to_lb(udp(sport)) for sport in range(1000, 1100)]
    result = Replay(tmp_path, packets)
    assert len(result.frames) == 200
    for before, after, verdict in zip(packets, result.frames, result.verdicts):
        assert after.src == LB
        assert after.dst == SERVERS[verdict["server"]]
        assert bytes(after)[12:] == bytes(before)[12:]
    assert {frame.dst for frame in result.frames} == set(SERVERS.values()), "both servers get flows"


def test_all_packets_of_a_flow_go_to_one_server_and_explain_names_it(tmp_path):
    packets = [to_lb(tcp(sport, flags=flags)) for sport in range(2000, 2020) for flags in ("S", "A", "PA", "FA")]
    result = Replay(tmp_path, packets)
    for sport, four in zip(range(2000, 2020), zip(*[iter(result.verdicts)] * 4)):
        (server,) = {verdict["server"] for verdict in four}
        done = run("explain", "--config", tmp_path / "dsr.yaml", f"{CLIENT_IP}:{sport}", f"{VIP}:80", "--json")
        assert json.loads(done.stdout)["server"] == server


@pytest.mark.parametrize("sentence, layer, reason", [
    ("no service has this port", tcp(dport=81), "not_served"),
    ("the service's port, but the other protocol", udp(dport=80), "not_served"),
    ("a protocol that no service can have", IP(src=CLIENT_IP, dst=VIP, proto=47) / Raw(bytes(20)), "not_served"),
    ("the IP header checksum is wrong", IP(src=CLIENT_IP, dst=VIP, chksum=0x1234) / UDP(dport=53), "ipv4_checksum"),
    ("total length beyond the frame", IP(src=CLIENT_IP, dst=VIP, len=100) / UDP(dport=53), "ipv4_total_length"),
    ("total length below the header", IP(src=CLIENT_IP, dst=VIP, len=19) / UDP(dport=53), "ipv4_total_length"),
    ("header length below 20", IP(src=CLIENT_IP, dst=VIP, ihl=4) / UDP(dport=53), "ipv4_header_length"),
    ("header length beyond the packet", IP(src=CLIENT_IP, dst=VIP, ihl=15, len=28) / UDP(dport=53), "ipv4_header_length"),
    ("not version 4", IP(src=CLIENT_IP, dst=VIP, version=5) / UDP(dport=53), "ipv4_version"),
    ("TCP data offset below 20", tcp(dataofs=4), "tcp_data_offset"),
    ("TCP data offset beyond the segment", tcp(dataofs=15), "tcp_data_offset"),
    ("a TCP header cut short", IP(src=CLIENT_IP, dst=VIP, proto=6) / Raw(bytes(19)), "tcp_truncated"),
    ("a UDP header cut short", IP(src=CLIENT_IP, dst=VIP, proto=17) / Raw(bytes(7)), "udp_truncated"),
    ("UDP length beyond the datagram", IP(src=CLIENT_IP, dst=VIP) / UDP(dport=53, len=99), "udp_length"),
    ("UDP length below 8", IP(src=CLIENT_IP, dst=VIP) / UDP(dport=53, len=7), "udp_length"),
    ("a later fragment of a protocol that no service can have", IP(src=CLIENT_IP, dst=VIP, frag=10, proto=47) / Raw(bytes(64)), "not_served"),
    ("a first fragment without a whole TCP header", IP(src=CLIENT_IP, dst=VIP, flags="MF", proto=6) / Raw(bytes(16)), "tcp_truncated"),
])
def test_dropped_and_counted_by_name(tmp_path, sentence, layer, reason):
    result = Replay(tmp_path, [to_lb(layer)])
    assert result.only_reason() == reason, sentence
    assert result.counts["dropped"] == {reason: 1}


def test_frames_that_are_not_for_lb_are_passed_and_nothing_is_sent(tmp_path):
    result = Replay(tmp_path, [
        to_lb(IP(src=CLIENT_IP, dst="10.0.0.2") / TCP(dport=22)),
        Ether(dst="02:00:00:00:00:99", src=CLIENT) / tcp(),
        Ether(dst="33:33:00:00:00:01", src=CLIENT, type=0x86dd) / Raw(bytes(40)),
        to_lb(IP(src=CLIENT_IP, dst="10.0.0.2") / ICMP()),
        who_has("10.0.0.2"),
    ])
    assert result.frames == []
    assert result.counts["passed"] == 5


def test_arp_requests_for_the_vip_are_answered_with_lbs_mac(tmp_path):
    result = Replay(tmp_path, [who_has(VIP)])
    assert result.counts["answered"] == 1
    (answer,) = result.frames
    assert (answer.dst, answer.src) == (CLIENT, LB)
    assert (answer[ARP].op, answer[ARP].hwsrc, answer[ARP].psrc) == (2, LB, VIP)
    assert (answer[ARP].hwdst, answer[ARP].pdst) == (CLIENT, CLIENT_IP)


def test_a_host_that_announces_the_vip_as_its_own_gets_no_answer(tmp_path):
    result = Replay(tmp_path, [who_has(VIP, sender=VIP)])
    assert result.frames == [] and result.counts["passed"] == 1


def test_vlan_tags_and_ip_options_pass_through(tmp_path):
    tagged = Ether(dst=LB, src=CLIENT) / Dot1Q(vlan=7, prio=3) / udp()
    options = to_lb(IP(src=CLIENT_IP, dst=VIP, options=[IPOption_Router_Alert()]) / UDP(sport=1, dport=53) / b"x")
    result = Replay(tmp_path, [tagged, options])
    assert [bytes(frame)[12:] for frame in result.frames] == [bytes(tagged)[12:], bytes(options)[12:]]


@pytest.mark.parametrize("layer, protocol", [(tcp(flags="PA"), 6), (udp(payload=b"odd"), 17)])
def test_an_unfinished_checksum_is_finished(tmp_path, layer, protocol):
    """As a kernel leaves it behind veth: the pseudo-header's folded sum, not complemented."""
    whole = IP(bytes(layer))
    segment = bytes(whole.payload)
    pseudo = (bytes.fromhex("0a000032" "0a000064") + bytes([0, protocol]) + len(segment).to_bytes(2, "big"))
    total = sum(int.from_bytes(pseudo[i:i + 2], "big") for i in range(0, len(pseudo), 2))
    whole.payload.chksum = (total & 0xffff) + (total >> 16)
    assert not valid(whole)
    result = Replay(tmp_path, [to_lb(whole)])
    (frame,) = result.frames
    assert valid(frame[IP])
    assert frame[IP].payload.chksum == IP(bytes(layer)).payload.chksum


def test_a_tcp_super_frame_is_cut_into_valid_segments_that_carry_every_byte_once(tmp_path):
    payload = random.Random(1).randbytes(40000)
    big = to_lb(IP(src=CLIENT_IP, dst=VIP, id=65530, flags="DF") /
                TCP(sport=5, dport=80, flags="FPAC", seq=2**32 - 1000, options=[("Timestamp", (1, 2))]) / payload)
    result = Replay(tmp_path, [big])
    assert result.counts["forwarded"] == 1 and len(result.frames) > 1
    assert all(len(frame) <= 1514 and valid(frame[IP]) for frame in result.frames)
    assert b"".join(bytes(frame[TCP].payload) for frame in result.frames) == payload
    sequence = 2**32 - 1000
    for index, frame in enumerate(result.frames):
        assert frame[TCP].seq == sequence % 2**32
        assert frame[IP].id == (65530 + index) % 65536
        assert frame[TCP].options == Ether(bytes(big))[TCP].options
        sequence += len(frame[TCP].payload)
    assert all(frame[TCP].flags == "A" for frame in result.frames[1:-1])
    assert (result.frames[0][TCP].flags, result.frames[-1][TCP].flags) == ("AC", "FPA")


def test_a_udp_super_frame_is_dropped_by_its_own_name(tmp_path):
    joined = udp(payload=bytes(4000))
    joined[UDP].chksum = 0x1234  # the first datagram's
    assert Replay(tmp_path, [to_lb(joined)]).only_reason() == "udp_super_frame"


def test_a_datagram_that_a_kernel_has_put_together_leaves_in_fragments_again(tmp_path):
    """As net_af_packet hands it over: larger than the MTU, and its checksum, over all of it, is right."""
    frames = Replay(tmp_path, [to_lb(udp(payload=bytes(range(200)) * 20))]).frames
    assert [len(frame[IP]) for frame in frames] == [1500, 1500, 1068]
    assert b"".join(bytes(frame[IP].payload) for frame in frames)[8:] == bytes(range(200)) * 20


def test_a_packet_that_its_server_routed_back_is_dropped_as_bounced(tmp_path):
    (verdict,) = Replay(tmp_path, [to_lb(tcp())]).verdicts
    result = Replay(tmp_path, [to_lb(tcp(), source=SERVERS[verdict["server"]])])
    assert result.only_reason() == "bounced"


def test_a_server_without_a_known_mac_address_gets_nothing(tmp_path):
    result = Replay(tmp_path, [to_lb(tcp())], config(neighbors=[]))
    assert result.only_reason() == "no_neighbor"
    assert result.verdicts[0]["server"] in SERVERS


def test_a_thousand_damaged_packets_end_in_a_thousand_verdicts(tmp_path):
    rng = random.Random(20261124)
    packets = []
    for _ in range(1000):
        raw = bytearray(bytes(to_lb(rng.choice([tcp, udp])(rng.randrange(1, 65536)))))
        for _ in range(rng.randrange(4)):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        packets.append(bytes(raw[:rng.randrange(1, len(raw) + 1)]))
    result = Replay(tmp_path, packets)
    assert result.counts["received"] == 1000
    assert len(result.frames) == result.counts["forwarded"] + result.counts["answered"]


def test_no_file_gives_one_clear_sentence(tmp_path):
    Replay(tmp_path, [to_lb(tcp())])
    base = ["replay", "--config", tmp_path / "dsr.yaml"]
    done = run(*base, "--in", tmp_path / "none.pcap", "--out", tmp_path / "x.pcap")
    assert done.returncode == 1 and "none.pcap' cannot be read" in done.stderr and done.stdout == ""
    (tmp_path / "text.pcap").write_text("this is no capture")
    done = run(*base, "--in", tmp_path / "text.pcap", "--out", tmp_path / "x.pcap")
    assert done.returncode == 1 and "text.pcap' cannot be read" in done.stderr
    done = run(*base, "--in", tmp_path / "in.pcap", "--out", "/nonexistent/out.pcap")
    assert done.returncode == 1 and "/nonexistent/out.pcap' cannot be written" in done.stderr
    before = (tmp_path / "in.pcap").read_bytes()
    done = run(*base, "--in", tmp_path / "in.pcap", "--out", tmp_path / "in.pcap")
    assert done.returncode == 1 and "is named twice" in done.stderr
    assert (tmp_path / "in.pcap").read_bytes() == before


def test_no_file_is_overwritten_that_is_also_read_or_written_otherwise(tmp_path):
    Replay(tmp_path, [to_lb(tcp())])
    files = {name: tmp_path / name for name in ("dsr.yaml", "in.pcap", "out.pcap", "verdicts.ndjson")}
    before = {path: path.read_bytes() for path in files.values()}
    for out, verdicts in (("in.pcap", "verdicts.ndjson"), ("dsr.yaml", "verdicts.ndjson"), ("out.pcap", "in.pcap"),
                          ("out.pcap", "dsr.yaml"), ("out.pcap", "out.pcap")):
        done = run("replay", "--config", files["dsr.yaml"], "--in", files["in.pcap"], "--out", files[out],
                   "--verdicts", files[verdicts])
        assert done.returncode == 1 and "is named twice" in done.stderr, done.stderr
        assert {path: path.read_bytes() for path in files.values()} == before


def test_arp_for_0_0_0_0_is_nobodys(tmp_path):
    result = Replay(tmp_path, [who_has("0.0.0.0"), to_lb(IP(src=CLIENT_IP, dst="0.0.0.0") / UDP(dport=53))])
    assert result.frames == [] and result.counts["passed"] == 2


def test_a_flooded_frame_is_passed_even_when_it_is_malformed(tmp_path):
    tags = Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3)
    result = Replay(tmp_path, [Ether(dst="02:00:00:00:00:99", src=CLIENT) / tags / udp(), Ether(dst=LB, src=CLIENT) / tags / udp()])
    assert [verdict["reason"] for verdict in result.verdicts] == [None, "vlan_too_deep"]


def test_a_capture_that_ends_in_the_middle_of_a_frame_keeps_what_was_whole(tmp_path):
    Replay(tmp_path, [to_lb(tcp(1)), to_lb(tcp(2))])
    whole = (tmp_path / "in.pcap").read_bytes()
    (tmp_path / "cut.pcap").write_bytes(whole[:-5])
    done = run("replay", "--config", tmp_path / "dsr.yaml", "--in", tmp_path / "cut.pcap", "--out", tmp_path / "out.pcap")
    assert done.returncode == 1 and "cut.pcap': frame 2" in done.stderr
    assert len(rdpcap(str(tmp_path / "out.pcap"))) == 1
