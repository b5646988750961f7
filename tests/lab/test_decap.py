"""serverprep's decapsulation does what the servers of Layer 3 DSR need, and no more: tried with packets made by scapy."""

import pytest
from scapy.all import ICMP, IP, UDP, IPOption, Raw, fragment

from lab import traffic, wait_until
from lab.capture import Capture
from lab.programs import filter_counters, serverprep, wanted
from lab.services import UDP_PORT

PORT = 45678
every_server = pytest.mark.parametrize("server", ["s1", "s2", "s3"])  # on lb's segment, and behind the router


def request(lab, payload, destination=None):
    return IP(src=lab.lb.address, dst=destination or lab.vip, flags="DF") / UDP(sport=PORT, dport=UDP_PORT) / Raw(payload)


def tunnelled(lab, server, inner, source=None):
    return IP(src=source or lab.lb.address, dst=lab[server].address, flags="DF") / inner


def counters(lab, server):
    return filter_counters(lab, lab[server])


def gained(lab, server, before):
    """What was counted since, without what stayed as it was."""
    now = counters(lab, server)
    return {name: count - before[name] for name, count in now.items() if count != before[name]}


@every_server
def test_a_decapsulated_request_is_answered_from_the_vip(layer3_lab, server):
    lab, before = layer3_lab, counters(layer3_lab, server)
    echoed = traffic.echoed(lab.client, lab[server])
    answers = traffic.send_raw(lab.lb, [tunnelled(lab, server, request(lab, b"hello"))], PORT, answers=1)
    assert answers == [(lab.vip, b"hello")]
    assert traffic.echoed(lab.client, lab[server]) == echoed + 1
    assert gained(lab, server, before) == {"decapsulated": 1}


def test_the_reply_to_a_client_does_not_return_to_the_sender_of_the_tunnel(layer3_lab):
    lab = layer3_lab
    for client in lab.clients:
        inner = IP(src=client.address, dst=lab.vip) / UDP(sport=PORT, dport=UDP_PORT) / Raw(b"direct")
        with (Capture(client, "eth0", f"udp and src host {lab.vip}") as at_client,
              Capture(lab.lb, "eth0", f"src host {lab.vip} and ether host {lab.lb.mac}") as at_lb):
            echoed = traffic.echoed(lab.client, lab["s2"])
            traffic.send_raw(lab.lb, [tunnelled(lab, "s2", inner)])
            wait_until(lambda: traffic.echoed(lab.client, lab["s2"]) > echoed, "s2 has echoed")
            client.run("ping", "-c1", "-W2", lab["s2"].address)  # its answer comes after the reply, on the same way
        assert [bytes(packet[UDP].payload) for packet in at_client.packets] == [b"direct"]
        assert list(at_lb.packets) == []


@every_server
def test_what_comes_from_a_foreign_outer_source_is_not_decapsulated(layer3_lab, server):
    lab, before = layer3_lab, counters(layer3_lab, server)
    foreign = tunnelled(lab, server, request(lab, b"foreign"), source=lab.client.address)
    ours = tunnelled(lab, server, request(lab, b"ours"))
    assert traffic.send_raw(lab.lb, [foreign, ours], PORT, answers=1) == [(lab.vip, b"ours")]  # it came second
    assert gained(lab, server, before) == {"decapsulated": 1, "foreign_source": 1}


@every_server
def test_what_is_not_for_a_vip_is_not_decapsulated(layer3_lab, server):
    lab, before = layer3_lab, counters(layer3_lab, server)
    for_itself = tunnelled(lab, server, request(lab, b"for the server's own address", lab[server].address))
    ours = tunnelled(lab, server, request(lab, b"ours"))
    assert traffic.send_raw(lab.lb, [for_itself, ours], PORT, answers=1) == [(lab.vip, b"ours")]
    assert gained(lab, server, before) == {"decapsulated": 1, "not_a_vip": 1}


@every_server
def test_what_is_not_decapsulated_goes_on_to_the_kernel_which_knows_no_tunnel(layer3_lab, server):
    lab = layer3_lab
    with Capture(lab.client, "eth0", "icmp[icmptype] == icmp-unreach") as seen:
        traffic.send_raw(lab.client, [tunnelled(lab, server, request(lab, b"foreign"), source=lab.client.address)])
        lab.client.run("ping", "-c1", "-W2", lab[server].address)  # answered after the error was sent
    assert [(packet[IP].src, packet[ICMP].code) for packet in seen.packets] == [(lab[server].address, 2)]  # protocol


@every_server
def test_outer_fragments_are_counted_and_not_decapsulated(layer3_lab, server):
    lab, before = layer3_lab, counters(layer3_lab, server)
    whole = IP(src=lab.lb.address, dst=lab[server].address) / request(lab, bytes(1000))
    pieces = fragment(whole, fragsize=512)  # the last is shorter than two headers
    assert len(pieces) == 3 and len(pieces[-1]) < 40 and pieces[-1].frag != 0
    ours = tunnelled(lab, server, request(lab, b"ours"))
    assert traffic.send_raw(lab.lb, [*pieces, ours], PORT, answers=1) == [(lab.vip, b"ours")]
    assert gained(lab, server, before) == {"decapsulated": 1, "outer_fragments": 3}


@every_server
def test_inner_fragments_are_decapsulated_one_by_one_and_reassembled_by_the_server(layer3_lab, server):
    lab, before = layer3_lab, counters(layer3_lab, server)
    body = bytes(range(256)) * 16
    whole = IP(src=lab.lb.address, dst=lab.vip, id=4711) / UDP(sport=PORT, dport=UDP_PORT) / Raw(body)
    pieces = [tunnelled(lab, server, piece) for piece in fragment(whole, fragsize=1456)]
    assert len(pieces) == 3
    assert traffic.send_raw(lab.lb, pieces, PORT, answers=1) == [(lab.vip, body)]
    assert gained(lab, server, before) == {"decapsulated": 3}


@every_server
def test_other_traffic_of_the_server_is_left_alone(layer3_lab, server):
    lab, before = layer3_lab, counters(layer3_lab, server)
    assert traffic.http_requests(lab.client, lab[server].address, 20)["answers"] == {server: 20}
    assert traffic.udp_echoes(lab.client, lab[server].address, 100)["answered"] == 100
    assert gained(lab, server, before) == {}


def test_a_removed_decapsulation_is_gone_and_prepared_again_it_works(layer3_lab):
    lab, server = layer3_lab, layer3_lab["s3"]
    assert serverprep(server, *wanted(lab, "l3"), "--remove").status == 0
    assert server.run("tc", "filter", "show", "dev", "eth0", "ingress").stdout == ""
    assert "clsact" not in server.run("tc", "qdisc", "show").stdout
    assert serverprep(server, *wanted(lab, "l3")).status == 0
    answers = traffic.send_raw(lab.lb, [tunnelled(lab, "s3", request(lab, b"again"))], PORT, answers=1)
    assert answers == [(lab.vip, b"again")]


@every_server
def test_an_outer_header_with_options_or_something_else_than_a_packet_inside_is_counted_and_not_decapsulated(layer3_lab, server):
    lab, before = layer3_lab, counters(layer3_lab, server)
    options = IP(src=lab.lb.address, dst=lab[server].address, options=[IPOption(b"\x01\x01\x01\x01")]) / request(lab, b"options")
    no_packet = IP(src=lab.lb.address, dst=lab[server].address, proto=4) / Raw(bytes(28))
    ours = tunnelled(lab, server, request(lab, b"ours"))
    assert traffic.send_raw(lab.lb, [options, no_packet, ours], PORT, answers=1) == [(lab.vip, b"ours")]
    assert gained(lab, server, before) == {"decapsulated": 1, "malformed": 2}


@every_server
def test_congestion_marked_on_the_way_reaches_the_inner_header_or_drops_what_could_not_say_so(layer3_lab, server):
    """RFC 6040 section 4.2."""
    lab, before = layer3_lab, counters(layer3_lab, server)
    deaf = IP(src=lab.lb.address, dst=lab[server].address, tos=3) / request(lab, b"not ECN-capable")
    capable = request(lab, b"capable")
    capable.tos = 2
    marked = IP(src=lab.lb.address, dst=lab[server].address, tos=3) / capable
    assert traffic.send_raw(lab.lb, [deaf, marked], PORT, answers=1) == [(lab.vip, b"capable")]
    assert gained(lab, server, before) == {"decapsulated": 1, "congestion_dropped": 1}
