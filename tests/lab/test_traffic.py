"""Traffic through lb on every topology: nothing is lost, everything comes back round lb, and the counters say so."""

import hashlib

import pytest

from lab import traffic
from lab.accounts import assert_counters_hold, per_server, service
from lab.capture import Capture
from lab.services import large_body

pytestmark = pytest.mark.parametrize("prepared_lab", ["flat", "routed", "two-interface"], indirect=True)


def farthest_client(lab):
    return lab.clients[-1]


def test_1000_http_requests_are_all_answered_by_both_servers(prepared_lab, lb):
    client = farthest_client(prepared_lab)
    retransmitted = traffic.syn_retransmissions(client)
    result = traffic.http_requests(client, prepared_lab.vip, 1000)
    assert result["errors"] == []
    assert sum(result["answers"].values()) == 1000
    assert sorted(result["answers"]) == ["s1", "s2"]
    assert min(result["answers"].values()) > 350  # two equal servers: 500 each, 350 is 9 standard deviations away
    assert traffic.syn_retransmissions(client) == retransmitted
    assert_counters_hold(lb)
    shares = per_server(lb.counters(), "web")
    assert all(packets >= 1000 for packets in shares.values()), shares  # at least SYN, ACK, request for each flow


def test_10000_udp_echoes_lose_nothing(prepared_lab, lb):
    lab, client = prepared_lab, farthest_client(prepared_lab)
    result = traffic.udp_echoes(client, lab.vip, 10000)
    assert (result["answered"], result["lost"], result["wrong"]) == (10000, 0, 0)
    assert result["sources"] == {lab.vip: 10000}
    counters = lb.counters()
    assert service(counters, "echo")["packets"] == 10000
    assert_counters_hold(lb)


def test_a_5_mb_upload_arrives_whole_from_every_client(prepared_lab, lb):
    lab = prepared_lab
    body = f"{lab.directory}/upload"
    content = large_body()[: 5 << 20]
    with open(body, "wb") as file:
        file.write(content)
    for client in lab.clients:
        for number in range(4):  # several flows, so that both servers are likely to get one
            name = f"{client.name}-{number}"
            server = traffic.upload(client, lab.vip, body, name)
            assert lab.nginx[server].uploaded(name) == hashlib.sha256(content).hexdigest()
    assert_counters_hold(lb)


def test_super_frames_of_an_upload_reach_the_servers_cut_to_the_mtu(prepared_lab, lb):
    lab, client = prepared_lab, prepared_lab.client
    body = f"{lab.directory}/segments"
    with open(body, "wb") as file:
        file.write(large_body()[: 1 << 20])
    to_vip = f"tcp and dst host {lab.vip}"
    with (Capture(client, "eth0", to_vip) as sent, Capture(lab["s1"], "eth0", to_vip) as at_s1,
          Capture(lab["s2"], "eth0", to_vip) as at_s2):
        traffic.upload(client, lab.vip, body, "segments")
    assert max(packet.wirelen for packet in sent.packets) > 1514, "the client sent no super-frame: nothing to cut"
    received = [packet.wirelen for packet in (*at_s1.packets, *at_s2.packets)]
    assert 1000 < max(received) <= 1514
    assert sum(received) > 1 << 20


def test_a_large_download_arrives_whole_and_none_of_it_crosses_lb(prepared_lab, lb):
    lab = prepared_lab
    with Capture(lab.lb, "eth0", f"ip src host {lab.vip}") as at_lb:
        for client in lab.clients:
            for _ in range(3):
                assert traffic.download(client, lab.vip)[1] == hashlib.sha256(large_body()).hexdigest()
    assert list(at_lb.packets) == []
    assert_counters_hold(lb)


def test_a_flow_stays_with_its_server_and_each_echo_reaches_one_server_once(prepared_lab, lb):
    lab = prepared_lab
    before = traffic.echoes_so_far(lab)
    result = traffic.udp_echoes(farthest_client(lab), lab.vip, 2000, flows=40)
    assert result["lost"] == 0
    gained = {name: count - before[name] for name, count in traffic.echoes_so_far(lab).items()}
    assert sum(gained.values()) == 2000  # a duplicate would be echoed twice
    assert all(count % 50 == 0 and count > 0 for count in gained.values()), gained  # 40 flows of 50 datagrams, none split
    assert {server.address: gained[server.name] for server in lab.servers} == per_server(lb.counters(), "echo")
