"""serverprep for Layer 3 DSR on Debian's kernel, with lb in front of it: traffic, `verify` proves, and what serverprep did is
undone: its own to the last bit, and nothing of anybody else's."""

import copy
import json

import pytest
from scapy.all import ICMP, IP, Raw

from lab import traffic, wait_until
from lab.programs import lb_url, verify
from lab.services import HTTP_PORT
from prepared_server import (DEVICE, PRINT_STATE, assert_not_served, assert_served, command, findings, kernel_state,
                             outcome_of, prepared, serverprep, undone, upload)

pytestmark = pytest.mark.timeout(300)  # the fixture that boots included

SECOND_VIP = "10.0.0.101"
SECOND_LB = "10.0.0.3"
UNREACHABLE, PORT_UNREACHABLE = 3, 3

both_ways = pytest.mark.parametrize("decap", ["ipip", "bpf"])


@both_ways
def test_a_prepared_server_serves_both_clients_verify_proves_it_and_remove_restores(server_lab, pool_server, lb, decap):
    lab, server = server_lab, pool_server
    with prepared(lab, server, "--decap", decap):
        assert findings(lab, server, "--decap", decap) == []
        assert_served(lab, server)
        upload(lab, server)
        assert traffic.download(lab.client, lab.vip) == (server.name, server.sha256(server.large_file))
        for client in lab.clients:
            outcome = verify(client, "--config", lb.config_path, "--vip", f"{lab.vip}:{HTTP_PORT}", "--lb", lb_url(lab))
            assert (outcome.status, outcome.json["verdict"]) == (0, "proved"), outcome
            assert {"answered", "source-is-vip", "bypasses-lb"} <= {name for name, _ in outcome.claims("proved")}, outcome
        again = serverprep(lab, server, "--decap", decap)
        assert (again.status, again.json["changed"]) == (0, False), again
    assert_not_served(lab)


def test_without_a_word_the_kernels_tunnel_is_used_and_tunl0_stays_down(server_lab, pool_server, lb):
    with prepared(server_lab, pool_server):
        tunnel, = pool_server.ip_json(f"-details address show {DEVICE}")
        assert tunnel["linkinfo"]["info_kind"] == "ipip"
        assert tunnel["linkinfo"]["info_data"]["remote"] == server_lab.lb.address
        assert pool_server.conf(DEVICE, "rp_filter") == "2"
        assert tunnel["addr_info"], "it has an address"
        assert pool_server.run("ip link show up | grep -c tunl0", check=False).stdout.strip() == "0"
        assert_served(server_lab, pool_server)


def test_decapsulation_by_bpf_that_was_taken_away_is_tunnel_down(server_lab, pool_server, lb):
    lab = server_lab
    with prepared(lab, pool_server, "--decap", "bpf"):
        pool_server.run("tc filter delete dev eth0 ingress")
        assert findings(lab, pool_server, "--decap", "bpf") == ["tunnel-down"]
        assert_not_served(lab)
        fixed = serverprep(lab, pool_server, "--decap", "bpf", "--fix", "tunnel-down")
        assert fixed.status == 0, fixed
        assert_served(lab, pool_server, 1)


# -- several of something ----------------------------------------------------------------------------------------------


def tunnel_remotes(server):
    return {link["ifname"]: link["linkinfo"]["info_data"]["remote"]
            for link in server.ip_json("-details link show type ipip") if link["ifname"].startswith("dsr-")}


def test_two_load_balancers_have_a_tunnel_each(server_lab, pool_server, lb):
    second = ("--load-balancer", SECOND_LB)
    with prepared(server_lab, pool_server, *second):
        assert tunnel_remotes(pool_server) == {DEVICE: server_lab.lb.address, "dsr-ipip1": SECOND_LB}
        assert findings(server_lab, pool_server, *second) == []
        assert_served(server_lab, pool_server, 3)


def test_one_vip_of_two_that_is_removed_leaves_the_tunnel_to_the_other(server_lab, pool_server, lb):
    lab, server = server_lab, pool_server
    with prepared(lab, server):
        with_one = kernel_state(server)
        assert serverprep(lab, server, "--vip", SECOND_VIP).status == 0
        assert f" {SECOND_VIP}/32 " in server.ip("address show lo")
        removed = outcome_of(server, f"serverprep --remove --vip {SECOND_VIP}")
        assert removed.status == 0, removed
        assert kernel_state(server) == with_one
        assert findings(lab, server) == []
        assert_served(lab, server, 3)


# -- what is somebody else's -------------------------------------------------------------------------------------------

# Without what ip_forward 1 writes everywhere.
PRINT_FOREIGN = """
    for link in tunl0 foreign; do
        ip -d address show $link
        grep -r . /proc/sys/net/ipv4/conf/$link | grep -v /forwarding:
    done
"""


def test_tunnels_that_somebody_else_has_up_stay_his(server_lab, pool_server, lb):
    """Here towards a third host, and tunl0, which takes packets from anybody: a warning, for serverprep did not bring it up."""
    lab, server = server_lab, pool_server
    before = server.run(f"""
        set -e
        modprobe ipip
        ip link set tunl0 up
        ip link add foreign type ipip local {server.address} remote 10.0.0.99
        ip address add 192.0.2.1/30 dev foreign
        ip link set foreign up
        {PRINT_FOREIGN}
    """).stdout
    try:
        with prepared(lab, server):
            assert tunnel_remotes(server) == {DEVICE: lab.lb.address}
            outcome = serverprep(lab, server, "--check")
            assert (outcome.status, outcome.json["ok"]) == (0, True), outcome
            open_one, = (finding for finding in outcome.json["findings"] if finding["id"] == "decap-open")
            assert (open_one["subject"], open_one["severity"]) == ("tunl0", "warning")
            assert_served(lab, server, 3)
            assert server.run(PRINT_FOREIGN).stdout == before
        assert server.run(PRINT_FOREIGN).stdout == before
    finally:
        server.run("ip link delete foreign; ip link set tunl0 down", check=False)


def test_a_tunnel_from_lb_that_was_there_is_used_and_left_as_it_was(server_lab, pool_server, lb):
    lab, server = server_lab, pool_server
    server.run(f"""
        set -e
        ip link add foreign type ipip local {server.address} remote {lab.lb.address}
        echo 0 > /proc/sys/net/ipv4/conf/foreign/rp_filter
        ip link set foreign up
    """)
    try:
        with prepared(lab, server):
            assert tunnel_remotes(server) == {}
            assert findings(lab, server) == ["decap-open"], "what else comes out of it is his business"
            assert_served(lab, server, 3)
        assert_not_served(lab)  # the tunnel is there, the VIP is not
    finally:
        server.ip("link delete foreign")


# -- who may send, and how much ----------------------------------------------------------------------------------------


def echo_request(lab, server, outer_source, inner_destination):
    inner = IP(src=lab.client.address, dst=inner_destination) / ICMP(id=7) / Raw(bytes(8))
    return IP(src=outer_source, dst=server.address, proto=4, id=7) / inner


def guard_drops(server):
    """Of the program that is at the tunnel's ingress: DSR_DROPPED in serverprep/bpf/filter_abi.h, of all processors."""
    counter = json.loads(server.run(f"""
        program=$(bpftool -j net show dev {DEVICE} | sed 's/.*"id":\\([0-9]*\\).*/\\1/')
        for map in $(bpftool prog show id $program | sed -n 's/.*map_ids \\([0-9,]*\\).*/\\1/p' | tr , ' '); do
            if bpftool map show id $map | grep -q 'name counters'; then bpftool -j map lookup id $map key 8 0 0 0; fi
        done
    """).stdout)
    return sum(of_cpu["value"] for of_cpu in counter["formatted"]["values"])


def test_the_guard_drops_what_is_not_for_the_vip_and_a_foreign_sender_gets_in_nowhere(server_lab, pool_server, lb):
    lab, server = server_lab, pool_server
    with prepared(lab, server):
        for_the_vip = echo_request(lab, server, lab.lb.address, lab.vip)
        assert [IP(answer).src for answer in traffic.icmp_answers(lab.client, [for_the_vip])] == [lab.vip]
        before = guard_drops(server)
        traffic.send_raw(lab.client, [echo_request(lab, server, lab.lb.address, server.address)] * 3)
        wait_until(lambda: guard_drops(server) == before + 3, "the guard has dropped them", interval=0.3)
        foreign = copy.deepcopy(for_the_vip)
        foreign.src = lab.client.address
        answer, = traffic.icmp_answers(lab.client, [foreign])
        answer = IP(answer)
        assert (answer[ICMP].type, answer[ICMP].code, answer.src) == (UNREACHABLE, PORT_UNREACHABLE, server.address)


# -- killed ------------------------------------------------------------------------------------------------------------

# What has happened already when SIGKILL comes, as shell.
MOMENTS = {
    "ip_forward": "[ $(cat /proc/sys/net/ipv4/ip_forward) = 1 ]",
    "tunnel": f"[ -e /sys/class/net/{DEVICE} ]",
    "tunnel's rp_filter": f"[ \"$(cat /proc/sys/net/ipv4/conf/{DEVICE}/rp_filter)\" = 2 ]",
    "tunnel is up": f"[ \"$(cat /sys/class/net/{DEVICE}/flags)\" = 0xc1 ]",
}


def test_remove_restores_after_a_kill_at_any_moment(server_lab, pool_server):
    lab, server = server_lab, pool_server
    killed = {}
    with undone(lab, server):
        before = kernel_state(server)
        for moment, has_come in MOMENTS.items():
            done = server.run(f"""
                {command(lab)} > /run/killed.log 2>&1 &
                until {has_come} || ! kill -0 $!; do :; done 2> /dev/null
                kill -9 $! 2> /dev/null
                wait $!
                status=$?
                serverprep --remove > /run/remove.log 2>&1 || cat /run/remove.log
                echo $status
                {PRINT_STATE}
            """).stdout
            status, after = done.split("\n", 1)
            assert after == before, f"{moment}: ended with {status}"
            killed[moment] = int(status) == 137
    # The last moments may come when it is about to end by itself.
    assert killed["ip_forward"] and killed["tunnel"], killed
