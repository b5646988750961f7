"""ICMP for VIPs: a sentence, frames in, frames out. Scapy builds the errors, the pings and the answers that lb must give."""

import pytest
from scapy.all import Dot1Q, Ether, ICMP, IP, IPOption_Router_Alert, Raw, TCP, UDP, fragment

from replay import (CLIENT, CLIENT_IP, LB, LB_IP, LB_SERVER_SIDE, Replay, ROUTER, ROUTER_IP, SERVERS, VIP, at, config, layer3, tcp, to_lb,
                    tunnelled, two_arms, udp)

UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM = 3, 11, 12


def reply(port=40000, protocol=TCP, service=80, **fields):
    """What a server sent to the client, and a router could not deliver."""
    return IP(bytes(IP(src=VIP, dst=CLIENT_IP, **fields) / protocol(sport=service, dport=port) / Raw(bytes(100))))


def error(kind, quoted, code=0, **fields):
    return IP(src=ROUTER_IP, dst=VIP) / ICMP(type=kind, code=code, **fields) / Raw(bytes(quoted))


def ping(identifier=77, data=b"0123456789", **fields):
    return IP(src=CLIENT_IP, dst=VIP, **fields) / ICMP(type=8, id=identifier, seq=3) / Raw(data)


def forwarding_echo(configuration=None):
    configuration = configuration or config()
    for service in configuration["virtual_services"]:
        service["icmp_echo"] = "forward"
    return configuration


def fragmentation_needed(packet, mtu):
    """The frame with which lb must answer: RFC 1191, quoting what 576 bytes hold (RFC 1812 section 4.3.2.3)."""
    return (Ether(dst=CLIENT, src=LB) / IP(src=VIP, dst=CLIENT_IP, ttl=64, tos=0xc0, id=0, flags="DF") /
            ICMP(type=UNREACHABLE, code=4, nexthopmtu=mtu) / Raw(bytes(packet)[:548]))


# --- errors about flows ---

@pytest.mark.parametrize("kind, code", [(UNREACHABLE, 4), (UNREACHABLE, 1), (TIME_EXCEEDED, 0), (PARAMETER_PROBLEM, 0)])
def test_an_error_goes_to_the_server_of_the_flow_that_it_quotes(tmp_path, kind, code):
    flows, errors = [], []
    for port in range(1000, 1030):
        flows += [to_lb(tcp(port)), to_lb(udp(port))]
        errors += [to_lb(error(kind, reply(port), code)), to_lb(error(kind, reply(port, UDP, 53), code))]
    result = Replay(tmp_path, flows + errors)
    assert [verdict["server"] for verdict in result.verdicts[60:]] == [verdict["server"] for verdict in result.verdicts[:60]]
    assert {verdict["server"] for verdict in result.verdicts} == set(SERVERS)
    assert [bytes(frame)[12:] for frame in result.frames[60:]] == [bytes(packet)[12:] for packet in errors]


@pytest.mark.parametrize("sentence, quoted", [
    ("8 bytes of the quoted payload are enough", bytes(reply())[:28]),
    ("options in the quoted header are skipped", bytes(reply(options=[IPOption_Router_Alert()]))[:32]),
    ("the quoted lengths and checksum are the router's business", bytes(reply(len=9999, chksum=1))[:28]),
])
def test_quoted(tmp_path, sentence, quoted):
    result = Replay(tmp_path, [to_lb(tcp()), to_lb(error(UNREACHABLE, quoted, 4))])
    assert result.verdicts[1]["verdict"] == "forwarded", sentence
    assert result.verdicts[1]["server"] == result.verdicts[0]["server"], sentence


@pytest.mark.parametrize("sentence, quoted", [
    ("7 bytes of the quoted payload", bytes(reply())[:27]),
    ("a port that is not served", reply(service=81)),
    ("the client's packet instead of the server's", tcp()),
    ("a packet of another host", IP(src="10.0.0.11", dst=CLIENT_IP) / TCP(sport=80, dport=1)),
    ("a later fragment", reply(frag=2)),
    ("an ICMP message", IP(src=VIP, dst=CLIENT_IP) / ICMP(type=0) / Raw(bytes(8))),
    ("no IPv4", b"\x60" + bytes(reply())[1:]),
    ("nothing", b""),
])
def test_an_error_without_a_flow_of_a_service_is_dropped_as_icmp_unknown_flow(tmp_path, sentence, quoted):
    result = Replay(tmp_path, [to_lb(error(UNREACHABLE, quoted, 4))])
    assert result.only_reason() == "icmp_unknown_flow", sentence


def test_other_icmp_messages_are_not_served(tmp_path):
    kinds = [kind for kind in range(256) if kind not in (UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM, 8)]
    assert Replay(tmp_path, [to_lb(error(kind, reply())) for kind in kinds]).only_reason() == "not_served"


def test_an_error_goes_through_the_tunnel_of_its_flow(tmp_path):
    message = IP(bytes(error(UNREACHABLE, bytes(reply())[:28], 4)))
    message.flags = "DF"
    del message.chksum
    message = IP(bytes(message))
    result = Replay(tmp_path, [to_lb(tcp()), to_lb(message)], layer3())
    assert bytes(result.frames[1]) == bytes(tunnelled(message, result.verdicts[0]["server"]))


# --- echo ---

@pytest.mark.parametrize("data", [b"", b"x", b"0123456789", bytes(1400)])
def test_a_ping_is_answered_as_scapy_would(tmp_path, data):
    result = Replay(tmp_path, [to_lb(ping(data=data, ttl=3, tos=8, id=5))])
    expected = (Ether(dst=CLIENT, src=LB) / IP(src=VIP, dst=CLIENT_IP, ttl=64, tos=8, id=5) / ICMP(type=0, id=77, seq=3) / Raw(data))
    assert bytes(result.frames[0]) == bytes(expected)
    (verdict,) = result.verdicts
    assert (verdict["verdict"], verdict["reason"]) == ("answered", "icmp_echo")


def test_a_ping_in_a_vlan_is_answered_there(tmp_path):
    result = Replay(tmp_path, [Ether(dst=LB, src=CLIENT) / Dot1Q(vlan=42) / ping()])
    assert result.frames[0][Dot1Q].vlan == 42 and result.frames[0][ICMP].type == 0


@pytest.mark.parametrize("state", ["draining", "disabled"])
@pytest.mark.parametrize("echo", ["answer", "forward"])
def test_a_vip_without_a_server_for_new_flows_answers_no_ping(tmp_path, state, echo):
    configuration = forwarding_echo() if echo == "forward" else config()
    for server in configuration["pools"][0]["servers"]:
        server["state"] = state
    assert Replay(tmp_path, [to_lb(ping())], configuration).only_reason() == "no_server"


def test_lb_answers_no_ping_in_fragments_and_none_with_options(tmp_path):
    parts = [to_lb(part) for part in fragment(ping(data=bytes(2000)), 1000)]
    result = Replay(tmp_path, [*parts, to_lb(ping(options=[IPOption_Router_Alert()]))])
    assert [verdict["reason"] for verdict in result.verdicts] == ["fragment"] * len(parts) + ["not_served"]


def test_icmp_echo_forward_sends_pings_to_servers_by_their_identifier(tmp_path):
    packets = [to_lb(ping(identifier)) for identifier in range(100)]
    result = Replay(tmp_path, packets + packets, forwarding_echo())
    servers = [verdict["server"] for verdict in result.verdicts]
    assert servers[:100] == servers[100:] and set(servers) == set(SERVERS)
    assert [bytes(frame)[12:] for frame in result.frames] == [bytes(packet)[12:] for packet in packets + packets]


# --- fragmentation needed ---

@pytest.mark.parametrize("sentence, configuration, packet, mtu", [
    ("TCP of full size into a tunnel", layer3(), tcp(flags="PA") / Raw(bytes(1460)), 1480),
    ("UDP one byte too large", layer3(), udp(payload=bytes(1453)), 1480),
    ("a small MTU towards the servers", two_arms(server_mtu=1400), udp(payload=bytes(1472)), 1400),
    ("both", layer3(two_arms(server_mtu=1400)), udp(payload=bytes(1400)), 1380),
])
def test_what_does_not_fit_and_has_df_is_answered_with_the_mtu_that_would(tmp_path, sentence, configuration, packet, mtu):
    packet[IP].flags = "DF"
    packet = IP(bytes(packet))
    result = Replay(tmp_path, [to_lb(packet)], configuration)
    assert bytes(result.frames[0]) == bytes(fragmentation_needed(packet, mtu)), sentence
    (verdict,) = result.verdicts
    assert (verdict["verdict"], verdict["reason"]) == ("answered", "fragmentation_needed")


def test_the_answer_leaves_by_the_interface_that_the_packet_came_in_by(tmp_path):
    packet = udp(payload=bytes(1472))
    packet[IP].flags = "DF"
    result = Replay(tmp_path, [Ether(dst=LB_SERVER_SIDE, src=CLIENT) / packet], layer3(two_arms()))
    assert (result.frames[0].src, result.frames[0].dst) == (LB_SERVER_SIDE, CLIENT)


def test_no_more_than_1000_answers_leave_in_a_second(tmp_path):
    packet = udp(payload=bytes(1472))
    packet[IP].flags = "DF"
    frames = []
    for number in range(1100):
        frame = to_lb(packet)
        frame.time = 1_700_000_000 + (number == 1099)
        frames.append(frame)
    result = Replay(tmp_path, frames, layer3())
    assert result.counts["answered"] == 1001
    assert result.counts["dropped"] == {"exceeds_mtu": 99}
    assert result.verdicts[-1]["verdict"] == "answered"


@pytest.mark.parametrize("sentence, packet", [
    ("an error about an error", error(UNREACHABLE, bytes(reply()) + bytes(1400), 4)),
    ("an error to 127.0.0.1", IP(src="127.0.0.1", dst=VIP) / UDP(sport=1, dport=53) / Raw(bytes(1472))),
    ("an error to everyone", IP(src="255.255.255.255", dst=VIP) / UDP(sport=1, dport=53) / Raw(bytes(1472))),
])
def test_no_error_is_sent_where_none_is_allowed(tmp_path, sentence, packet):
    packet[IP].flags = "DF"
    assert Replay(tmp_path, [to_lb(packet)], layer3()).only_reason() == "exceeds_mtu", sentence


# --- errors about our own tunnels ---

def large(port=40000):
    packet = udp(port, payload=bytes(1452))
    packet[IP].flags = "DF"
    return IP(bytes(packet))


def router_says(mtu, server, packet, quoted=1000):
    """To lb, about the packet that it sent to the server: too large."""
    sent = bytes(tunnelled(packet, server)[IP])[:quoted]
    return to_lb(IP(src=ROUTER_IP, dst=LB_IP) / ICMP(type=UNREACHABLE, code=4, nexthopmtu=mtu) / Raw(sent), source=ROUTER)


def test_a_routers_error_about_a_tunnel_reaches_the_client_as_one_about_its_own_packet(tmp_path):
    packet = large()
    (verdict,) = Replay(tmp_path, [to_lb(packet)], layer3()).verdicts
    result = Replay(tmp_path, [to_lb(packet), router_says(1300, verdict["server"], packet), to_lb(packet)], layer3())
    assert [verdict["verdict"] for verdict in result.verdicts] == ["forwarded", "answered", "answered"]
    expected = fragmentation_needed(packet, 1280)
    assert bytes(result.frames[2]) == bytes(expected)
    expected.dst = ROUTER  # the way back
    assert bytes(result.frames[1]) == bytes(expected)


def test_a_routers_error_is_believed_for_ten_minutes(tmp_path):
    packet = large()
    (verdict,) = Replay(tmp_path, [to_lb(packet)], layer3()).verdicts
    told = router_says(1300, verdict["server"], packet)
    frames = [at(0, to_lb(packet)), at(0, told), at(599, to_lb(packet)), at(600, to_lb(packet))]
    result = Replay(tmp_path, frames, layer3())
    assert [verdict["verdict"] for verdict in result.verdicts] == ["forwarded", "answered", "answered", "forwarded"]


@pytest.mark.parametrize("sentence, known, quoted", [
    ("8 bytes of our own packet do not show whose it was", True, 28),
    ("a flow that nobody has", False, 1000),
])
def test_a_routers_error_that_anybody_could_have_made_is_passed_and_not_believed(tmp_path, sentence, known, quoted):
    packet = large()
    (verdict,) = Replay(tmp_path, [to_lb(packet)], layer3()).verdicts
    told = router_says(1300, verdict["server"], packet, quoted)
    result = Replay(tmp_path, [*[to_lb(packet)] * known, told, to_lb(packet)], layer3())
    assert [verdict["verdict"] for verdict in result.verdicts][-2:] == ["passed", "forwarded"], sentence


def test_a_routers_error_changes_nothing_for_other_servers(tmp_path):
    packets = [large(port) for port in range(50)]
    servers = [verdict["server"] for verdict in Replay(tmp_path, [to_lb(packet) for packet in packets], layer3()).verdicts]
    told = router_says(1300, servers[0], packets[0])
    result = Replay(tmp_path, [to_lb(packets[0]), told, *map(to_lb, packets)], layer3())
    for server, verdict in zip(servers, result.verdicts[2:]):
        assert verdict["verdict"] == ("answered" if server == servers[0] else "forwarded")


def test_a_forged_mtu_below_552_is_not_believed(tmp_path):
    packet = large()
    for server in SERVERS:
        result = Replay(tmp_path, [router_says(551, server, packet), to_lb(packet)], layer3())
        assert [verdict["verdict"] for verdict in result.verdicts] == ["passed", "forwarded"]
