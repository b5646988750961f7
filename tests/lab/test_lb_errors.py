"""What can go wrong when lb starts is said in one sentence, with the exit status of DESIGN section 8: 2 for a
configuration error, 1 for everything else."""

import contextlib
import copy
import socket

import pytest
from scapy.all import ARP

from lab import wait_until
from lab.capture import Capture
from lab.programs import LoadBalancer, lb_config, lb_interface, pcap_only, program, write_config

pytestmark = pytest.mark.parametrize("prepared_lab", ["flat"], indirect=True)


def run_lb(lab, config, *before):
    """`lb run` that is expected to end by itself; `before` is a command that runs it (setpriv …)."""
    path = write_config(lab, config, "broken.yaml")
    return lab.lb.run(*before, program("lb"), "run", "--config", path, check=False, timeout=20)


def the_sentence(done):
    """The one line on standard error."""
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pcap_only
def test_an_unknown_interface_is_a_configuration_error_that_names_it(prepared_lab):
    done = run_lb(prepared_lab, lb_config(prepared_lab, interfaces=[{"name": "absent0"}]))
    assert "'absent0'" in the_sentence(done)
    assert done.returncode == 2


@pytest.mark.parametrize("missing", ["net_raw", "net_admin"])
def test_a_missing_privilege_is_named(prepared_lab, missing):
    done = run_lb(prepared_lab, lb_config(prepared_lab), "setpriv", f"--bounding-set=-{missing}", f"--inh-caps=-{missing}")
    assert f"cap_{missing}" in the_sentence(done).lower()
    assert done.returncode == 1


def test_an_occupied_control_socket_is_named_and_the_first_lb_stays(prepared_lab, lb):
    config = copy.deepcopy(lb.config)
    config["load_balancer"]["http"] = "off"
    done = run_lb(prepared_lab, config)
    assert config["load_balancer"]["control_socket"] in the_sentence(done)
    assert done.returncode == 1
    assert lb.process.poll() is None
    assert lb.counters()["services"]


def test_an_occupied_http_port_is_named(prepared_lab, lb):
    config = copy.deepcopy(lb.config)
    config["load_balancer"]["control_socket"] += ".2"
    done = run_lb(prepared_lab, config)
    assert config["load_balancer"]["http"] in the_sentence(done)
    assert done.returncode == 1


def test_a_dead_gateway_is_named(prepared_lab):
    config = lb_config(prepared_lab, interfaces=[lb_interface(prepared_lab, 0) | {"gateway": "10.0.0.254"}])
    done = run_lb(prepared_lab, config)
    assert "10.0.0.254" in the_sentence(done)
    assert done.returncode == 1


def test_all_errors_of_a_configuration_are_reported_with_their_place_and_nothing_is_started(prepared_lab):
    config = lb_config(prepared_lab, maglev_table_size=65536)
    config["virtual_services"][0]["pool"] = "nosuch"
    done = run_lb(prepared_lab, config)
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert len(lines) == 2, done.stderr
    path = f"{prepared_lab.directory}/broken.yaml"
    assert all(line.split(":")[0] == path and all(part.isdigit() for part in line.split(":")[1:3]) for line in lines), lines
    assert any("'65536'" in line for line in lines)
    assert any("'nosuch'" in line for line in lines)
    assert "dsr-vip" not in prepared_lab.lb.ip("link show")


def test_lb_check_agrees_with_lb_run(prepared_lab):
    def check(config):
        path = write_config(prepared_lab, config, "check.yaml")
        return prepared_lab.lb.run(program("lb"), "check", "--config", path, check=False).returncode

    assert check(lb_config(prepared_lab)) == 0
    assert check(lb_config(prepared_lab, maglev_table_size=65536)) == 2


def test_lb_starts_again_after_all_of_this(prepared_lab):
    with LoadBalancer(prepared_lab) as lb:
        assert lb.stop() == 0


def test_a_route_to_the_vip_is_not_replaced_but_named(prepared_lab):
    lab = prepared_lab
    lab.lb.ip(f"route add blackhole {lab.vip}/32")
    try:
        done = run_lb(lab, lb_config(lab))
        assert f"route delete {lab.vip}" in the_sentence(done)
        assert done.returncode == 1
        assert lab.lb.ip(f"route show {lab.vip}").startswith("blackhole"), "the operator's route is still there"
    finally:
        lab.lb.ip(f"route delete blackhole {lab.vip}/32")


@pcap_only
def test_the_hosts_own_address_as_vip_is_refused_without_a_command_that_cuts_the_host_off(prepared_lab):
    config = lb_config(prepared_lab)
    for service in config["virtual_services"]:
        service["vip"] = prepared_lab.lb.address
    done = run_lb(prepared_lab, config)
    assert "own address" in the_sentence(done) and "delete" not in done.stderr
    assert done.returncode == 1


def test_a_control_socket_whose_owner_is_stuck_is_in_use_and_not_waited_for(prepared_lab):
    config = lb_config(prepared_lab)
    path = config["load_balancer"]["control_socket"] + ".stuck"
    config["load_balancer"]["control_socket"] = path
    with socket.socket(socket.AF_UNIX) as owner, contextlib.ExitStack() as waiting:
        owner.bind(path)
        owner.listen(0)
        for _ in range(4):  # fill the backlog: nobody accepts
            client = waiting.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect_ex(path)
        done = run_lb(prepared_lab, config)
    assert "in use" in the_sentence(done)
    assert done.returncode == 1


def test_an_lb_that_fails_to_start_answered_no_arp_for_the_vip_meanwhile(prepared_lab):
    lab = prepared_lab
    config = lb_config(lab, interfaces=[lb_interface(prepared_lab, 0) | {"gateway": "10.0.0.254"}])
    lab.client.run("ip", "neighbor", "flush", "all")
    with Capture(lab.client, "eth0", "arp") as seen:
        starting = lab.lb.popen(program("lb"), "run", "--config", write_config(lab, config, "broken.yaml"))
        wait_until(lambda: b"dsr-vip" in lab.lb.run("ip", "link").stdout.encode(), "lb has come as far as its device")
        lab.client.run("ping", "-c", "2", "-W", "1", lab.vip, check=False)
        assert starting.wait(10) == 1
    asked = [packet for packet in seen.packets if packet[ARP].op == 1 and packet[ARP].pdst == lab.vip]
    answers = [packet for packet in seen.packets if packet[ARP].op == 2 and packet[ARP].psrc == lab.vip]
    assert asked and answers == []
