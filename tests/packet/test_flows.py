"""Flows over time: a sentence, frames in with their seconds, verdicts out. The capture's timestamps are lb replay's clock.

Which server has a flow shows only when the ring would say otherwise: here, when a table of 4 flows has forgotten it. What
the states do to a reload or a drain is in tests/unit/lb/flow_table_test.cpp and tests/lab."""

import collections

from replay import Replay, SERVERS, at, config, tcp, to_lb, udp


def per_packet(configuration=None):
    configuration = configuration or config()
    profile = configuration["network_profiles"][1]
    profile["per_packet"] = True
    del profile["session_idle_timeout"]
    return configuration


def servers_of(result):
    return [verdict["server"] for verdict in result.verdicts]


def test_a_connection_stays_with_its_server_from_syn_to_the_last_ack_and_over_a_long_pause(tmp_path):
    steps = [(0, "S"), (0, "A"), (1, "PA"), (200, "PA"), (5000, "PA"), (5001, "FA"), (5002, "A"), (5003, "R"), (5020, "S")]
    for port in range(1000, 1010):
        result = Replay(tmp_path, [at(second, to_lb(tcp(port, flags=flags))) for second, flags in steps])
        assert result.counts["forwarded"] == len(steps)
        assert len(set(servers_of(result))) == 1


def test_per_packet_spreads_the_datagrams_of_one_flow_and_leaves_tcp_alone(tmp_path):
    result = Replay(tmp_path, [to_lb(udp(1)) for _ in range(200)] + [to_lb(tcp(1, flags="A")) for _ in range(20)], per_packet())
    counted = collections.Counter(servers_of(result)[:200])
    assert set(counted) == set(SERVERS) and min(counted.values()) > 60
    assert len(set(servers_of(result)[200:])) == 1


def test_without_per_packet_all_datagrams_of_a_flow_go_to_one_server(tmp_path):
    assert len(set(servers_of(Replay(tmp_path, [to_lb(udp(1)) for _ in range(200)])))) == 1


def test_flows_beyond_a_full_table_or_the_limit_of_a_second_are_served_by_the_ring_as_the_others_are(tmp_path):
    packets = [to_lb(tcp(port, flags=flags)) for flags in ("S", "A", "PA") for port in range(1000, 1500)]
    expected = servers_of(Replay(tmp_path, packets))
    for settings in ({"flow_table_entries": 1024, "new_flows_per_second": 1}, {"flow_table_entries": 1024}):
        result = Replay(tmp_path, packets, config(**settings))
        assert result.counts["forwarded"] == 1500
        assert servers_of(result) == expected


def test_a_draining_or_disabled_server_gets_no_new_flows(tmp_path):
    for state in ("draining", "disabled"):
        configuration = config()
        configuration["pools"][0]["servers"][0]["state"] = state
        result = Replay(tmp_path, [to_lb(tcp(port)) for port in range(100)], configuration)
        assert set(servers_of(result)) == {list(SERVERS)[1]}


def test_weights_share_out_the_flows(tmp_path):
    configuration = config()
    configuration["pools"][0]["servers"][0]["weight"] = 3
    counted = collections.Counter(servers_of(Replay(tmp_path, [to_lb(tcp(port)) for port in range(2000)], configuration)))
    assert 2.4 < counted[list(SERVERS)[0]] / counted[list(SERVERS)[1]] < 3.7


def test_a_syn_flood_changes_no_server_of_another_flow(tmp_path):
    mine = [to_lb(tcp(port, flags="A")) for port in range(1, 50)]
    flood = [to_lb(tcp(port)) for port in range(10000, 15000)]
    result = Replay(tmp_path, mine + flood + mine, config(flow_table_entries=1024))
    servers = servers_of(result)
    assert servers[:49] == servers[-49:]
    assert result.counts["forwarded"] == 5098
