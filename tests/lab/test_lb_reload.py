"""Changes while lb runs: reload, drain, disable, enable, restart. Established flows stay, nothing is lost, a bad file does
nothing."""

import copy
import json
import signal

import pytest

from lab import traffic, wait_until
from lab.programs import LoadBalancer, lb_config, pcap_only
from lab.traffic import TcpFlows, UdpProber

pytestmark = pytest.mark.parametrize("prepared_lab", ["flat"], indirect=True)


def reweighted(config, *weights):
    """The configuration with other weights of its servers."""
    changed = copy.deepcopy(config)
    for server, weight in zip(changed["pools"][0]["servers"], weights):
        server["weight"] = weight
    return changed


def servers_of(lab, count=40):
    return set(traffic.http_requests(lab.client, lab.vip, count)["answers"])


def assert_undisturbed(flows):
    assert [flow["error"] for flow in flows if flow["error"]] == []
    assert [flow["servers"] for flow in flows if len(flow["servers"]) != 1] == [], "a flow changed its server"
    assert min(flow["requests"] for flow in flows) >= 2


def reload_by_command(lb):
    done = lb.command("reload")
    assert done.returncode == 0, done.stderr


def reload_by_signal(lb):
    count = lb.log().count("lb: reloaded")
    lb.process.send_signal(signal.SIGHUP)
    wait_until(lambda: lb.log().count("lb: reloaded") == count + 1, "lb says that it has reloaded")


@pytest.mark.parametrize("reload", [reload_by_command, reload_by_signal])
def test_20_reloads_under_load_lose_no_packet_and_move_no_flow(prepared_lab, lb, reload):
    lab = prepared_lab
    flows, prober = TcpFlows(lab.client, lab.vip), UdpProber(lab.client, lab.vip)
    for number in range(20):
        lb.rewrite(reweighted(lb.config, 1 + number % 3, 1 + number % 2))
        reload(lb)
    assert_undisturbed(flows.finish())
    lost = [when for when, answered in prober.finish() if not answered]
    assert lost == []
    assert lb.counters()["dropped"] == {}


def test_servers_that_join_and_leave_by_reload_cost_no_packet(prepared_lab):
    """UDP is what is lost when a new server is used before its MAC address is known."""
    lab = prepared_lab
    both = lb_config(lab)
    one = copy.deepcopy(both)
    del one["pools"][0]["servers"][1]
    with LoadBalancer(lab, one) as lb:
        prober = UdpProber(lab.client, lab.vip)
        for number in range(10):
            lb.rewrite(both if number % 2 == 0 else one)
            reload_by_command(lb)
        lb.rewrite(both)
        reload_by_command(lb)
        assert [when for when, answered in prober.finish() if not answered] == []
        assert servers_of(lab) == {"s1", "s2"}


@pytest.mark.parametrize("text, error", [
    ("load_balancer: {interfaces: [{name: eth0}]", "YAML"),
    ("load_balancer: {interfaces: [{name: eth0}], driver: magic}\nnetwork_profiles: []\npools: []\nvirtual_services: []\n",
     "load_balancer.driver: 'magic'"),
])
def test_a_bad_file_changes_nothing_and_is_reported_by_place(prepared_lab, lb, text, error):
    lab = prepared_lab
    lb.rewrite(text)
    done = lb.command("reload")
    assert done.returncode == 1
    assert f"{lb.config_path}:1:" in done.stderr and error in done.stderr, done.stderr
    assert "not reloaded: the configuration in use stays" in lb.log()
    assert servers_of(lab) == {"s1", "s2"}


def test_what_cannot_change_while_lb_runs_is_refused_by_name(prepared_lab, lb):
    changed = copy.deepcopy(lb.config)
    changed["load_balancer"]["flow_table_entries"] = 4096
    lb.rewrite(changed)
    done = lb.command("reload")
    assert done.returncode == 1
    assert "load_balancer.flow_table_entries differs from what lb was started with" in done.stderr
    assert servers_of(prepared_lab) == {"s1", "s2"}


def test_a_server_that_is_on_no_network_of_ours_is_refused(prepared_lab, lb):
    changed = copy.deepcopy(lb.config)
    changed["pools"][0]["servers"].append({"address": "192.0.2.1"})
    lb.rewrite(changed)
    done = lb.command("reload")
    assert done.returncode == 1 and "'192.0.2.1'" in done.stderr
    assert servers_of(prepared_lab) == {"s1", "s2"}


def test_a_vip_that_comes_by_reload_is_announced_and_one_that_goes_is_withdrawn(prepared_lab, lb):
    lab = prepared_lab
    added = copy.deepcopy(lb.config)
    added["virtual_services"].append(
        {"name": "more", "vip": "10.0.0.101", "ports": [80], "network_profile": "tcp-l2", "pool": "servers"})
    for server in lab.servers:
        server.ip("address add 10.0.0.101/32 dev lo")
    try:
        lb.rewrite(added)
        reload_by_command(lb)
        assert "10.0.0.101 dev dsr-vip" in lab.lb.ip("route show proto 77")
        assert set(traffic.http_requests(lab.client, "10.0.0.101", 40)["answers"]) == {"s1", "s2"}
        lb.rewrite(lb_config(lab))
        reload_by_command(lb)
        assert "10.0.0.101" not in lab.lb.ip("route show proto 77")
        assert servers_of(lab) == {"s1", "s2"}
    finally:
        for server in lab.servers:
            server.ip("address del 10.0.0.101/32 dev lo")


def test_a_draining_server_keeps_its_flows_and_gets_no_new_ones(prepared_lab, lb):
    lab, s1 = prepared_lab, prepared_lab["s1"]
    flows = TcpFlows(lab.client, lab.vip)
    assert lb.command("drain", "servers", s1.address).returncode == 0
    assert servers_of(lab) == {"s2"}
    lb.rewrite(reweighted(lb.config, 5, 1))
    reload_by_command(lb)
    assert servers_of(lab) == {"s2"}, "what the operator said survives a reload"
    shown = lb.command("show", "servers").stdout
    assert [line.split()[2:4] for line in shown.splitlines()[1:]] == [["draining", "enabled"], ["enabled", "enabled"]], shown
    result = flows.finish()
    assert_undisturbed(result)
    assert {server for flow in result for server in flow["servers"]} == {"s1", "s2"}
    assert lb.command("enable", "servers", s1.address).returncode == 0
    assert servers_of(lab) == {"s1", "s2"}


def test_a_disabled_server_gets_nothing_more_at_once_and_others_keep_their_flows(prepared_lab, lb):
    lab, s1 = prepared_lab, prepared_lab["s1"]
    flows = TcpFlows(lab.client, lab.vip)
    assert lb.command("disable", "servers", s1.address).returncode == 0
    before = {server["address"]: server["packets"] for server in lb.counters()["services"][0]["servers"]}
    assert servers_of(lab) == {"s2"}
    result = flows.finish()
    after = {server["address"]: server["packets"] for server in lb.counters()["services"][0]["servers"]}
    assert after[s1.address] == before[s1.address]
    assert after[lab["s2"].address] > before[lab["s2"].address]
    for flow in result:  # those of s1 were moved to s2, which knows no such connection and resets it
        assert (flow["servers"] == ["s1"] and flow["error"]) or (flow["servers"] == ["s2"] and not flow["error"]), flow
    assert {flow["servers"][0] for flow in result} == {"s1", "s2"}


@pytest.mark.parametrize("words, status, error", [
    (("drain", "nobody", "10.0.0.11"), 1, "there is no pool 'nobody'; there are: servers"),
    (("drain", "servers", "10.0.0.99"), 1, "pool 'servers' has no server '10.0.0.99'; it has: 10.0.0.11, 10.0.0.12"),
    (("drain", "servers", "s1"), 2, "'s1' is not an IPv4 address"),
])
def test_a_command_about_something_that_is_not_there_says_what_is(prepared_lab, lb, words, status, error):
    done = lb.command(*words)
    assert (done.returncode, done.stderr.strip()) == (status, f"lb: {error}")


def test_commands_warn_of_a_pool_without_servers_and_of_servers_that_do_not_answer(prepared_lab, lb):
    lab = prepared_lab
    assert lb.command("disable", "servers", lab["s1"].address).stderr == ""
    alone = lb.command("drain", "servers", lab["s2"].address)
    assert (alone.returncode, alone.stderr) == (
        0, "lb: warning: pool 'servers': no server takes new flows, so they are dropped (no_server)\n")
    changed = copy.deepcopy(lb.config)
    changed["pools"][0]["servers"].append({"address": "10.0.0.77"})
    lb.rewrite(changed)
    done = lb.command("reload")
    assert done.returncode == 0
    assert "warning: server '10.0.0.77' does not answer ARP on 'eth0'" in done.stderr


def test_an_operators_word_wins_over_a_file_that_says_something_else_later(prepared_lab, lb):
    lab, s1 = prepared_lab, prepared_lab["s1"]
    assert lb.command("enable", "servers", s1.address).returncode == 0
    changed = copy.deepcopy(lb.config)
    changed["pools"][0]["servers"][0]["state"] = "disabled"
    lb.rewrite(changed)
    reload_by_command(lb)
    assert servers_of(lab) == {"s1", "s2"}


@pytest.mark.parametrize("what, text", [("counters", "service web: return_packets"), ("servers", "10.0.0.11"),
                                        ("neighbors", "reachable"), ("interfaces", "kernel_dropped")])
def test_show_prints_it_for_people_and_as_json(prepared_lab, lb, what, text):
    shown = lb.command("show", what)
    assert shown.returncode == 0 and text in shown.stdout
    assert json.loads(lb.command("show", what, "--json").stdout)


def test_commands_are_not_taken_over_tcp(prepared_lab, lb):
    url = f"http://{prepared_lab.lb.address}:9420/api/v1/server?pool=servers&address=10.0.0.11&state=disabled"
    answer = prepared_lab.client.run("curl", "-sS", "-X", "POST", "-w", "%{http_code}", "-o", "/dev/null", url).stdout
    assert answer == "405"
    assert servers_of(prepared_lab) == {"s1", "s2"}


def test_without_a_running_lb_commands_say_so(prepared_lab):
    with LoadBalancer(prepared_lab) as lb:
        assert lb.stop() == 0
        done = lb.command("reload")
        assert done.returncode == 1 and "is lb running?" in done.stderr


def test_flows_continue_on_their_servers_over_a_restart_and_the_gap_is_short(prepared_lab, record_property):
    lab = prepared_lab
    with LoadBalancer(lab) as lb:
        flows, prober = TcpFlows(lab.client, lab.vip), UdpProber(lab.client, lab.vip)
        assert lb.stop() == 0
        lb.start()
        result = flows.finish()
        probes = prober.finish()
    lost = [when for when, answered in probes if not answered]
    gap = max(lost) - min(lost) if lost else 0.0
    record_property("restart_gap_seconds", f"{gap:.3f}")
    print(f"restart: {len(lost)} of {len(probes)} probes lost, in {gap * 1000:.0f} ms")
    assert_undisturbed(result)
    assert gap < 2.0, "orderly end, start, ARP: far below a second on an idle machine"


@pytest.mark.parametrize("harm", ["route flush proto 77", "link set dsr-vip down"])
def test_a_vip_route_that_somebody_removes_comes_back_and_reloads_go_on(prepared_lab, lb, harm):
    lab = prepared_lab
    lab.lb.ip(harm)
    assert lab.vip not in lab.lb.ip("route show proto 77")
    wait_until(lambda: f"{lab.vip} dev dsr-vip" in lab.lb.ip("route show proto 77"), "the VIP is announced again", timeout=8)
    reload_by_command(lb)
    assert servers_of(lab) == {"s1", "s2"}


@pcap_only
def test_a_route_that_would_make_a_server_unreachable_is_not_followed_and_ends_nothing(prepared_lab):
    """A server in a second network of the same segment, which the load balancer's host then leaves."""
    lab, s1 = prepared_lab, prepared_lab["s1"]
    lab.lb.ip("address add 10.9.0.2/24 dev eth0")
    s1.ip("address add 10.9.0.5/24 dev eth0")
    lab.lb.ip(f"route add default via {lab.client.address}")
    config = lb_config(lab)
    config["pools"][0]["servers"][0]["address"] = "10.9.0.5"
    try:
        with LoadBalancer(lab, config) as lb:
            assert servers_of(lab) == {"s1", "s2"}
            lab.lb.ip("address del 10.9.0.2/24 dev eth0")
            wait_until(lambda: "a changed route is not followed" in lb.log(), "lb says what it does", timeout=8)
            assert servers_of(lab) == {"s1", "s2"}
            assert lb.stop() == 0
    finally:
        lab.lb.run("ip", "address", "del", "10.9.0.2/24", "dev", "eth0", check=False)
        lab.lb.ip("route del default")
        s1.ip("address del 10.9.0.5/24 dev eth0")
