"""Layer 3 by the playbooks, over SSH, with servers beyond a router, and all of it undone. One story, told in order."""

import dataclasses

import pytest

from controller import PRIVATE, Controller
from lab import Lab, layer3
from lab.programs import LoadBalancer, lb_config, lb_url, serverprep, write_config
from lab.services import Nginx, UdpEcho
from test_playbooks import everything

AT_ONCE = {"dsr_serial": "100%"}


def all_of(host):
    """And what Layer 3 needs besides."""
    return everything(host)[:3], host.run("tc", "qdisc", "show").stdout, host.ip_json("-4 route show table all")


def near_and_far():
    """layer3() with s1 and s2: one server on the load balancer's segment, one beyond the router."""
    whole = layer3()
    return dataclasses.replace(whole, nodes=tuple(node for node in whole.nodes if node.name != "s3"), servers=("s1", "s2"))


@pytest.fixture(scope="module")
def lab():
    with Lab(near_and_far(), private=PRIVATE) as lab:
        for server in lab.servers:
            Nginx(server)
            UdpEcho(server)
        lab.before = {server.name: all_of(server) for server in lab.servers}
        with LoadBalancer(lab, lb_config(lab, dsr_type="l3")) as lab.balancer:
            yield lab


def copies_of_the_file(lab):
    """In /tmp, which all hosts of the lab share, with runs that were killed as well."""
    return lab.client.run("find", "/tmp", "-maxdepth", "1", "-name", "*.dsr.yaml").stdout


@pytest.fixture(scope="module")
def controller(lab, tmp_path_factory):
    config = write_config(lab, lab.balancer.config, "pools.yaml")
    # The kernel of the machine need not have ipip.
    variables = {"dsr_config": config, "dsr_decap": "bpf", "dsr_load_balancers": [lab.lb.address],
                 "dsr_verify_config": config, "dsr_verify_lb": lb_url(lab),
                 "dsr_serverprep_packages": [], "dsr_verify_packages": []}  # test_playbooks.py has them installed
    return Controller(lab.client, {"dsr_servers": lab.servers, "dsr_verifiers": [lab.client]}, variables,
                      str(tmp_path_factory.mktemp("controller")))


def test_the_first_run_prepares_every_server_with_a_decapsulation_for_the_load_balancer_alone(lab, controller):
    there = copies_of_the_file(lab)
    play = controller.play("prepare.yml", **AT_ONCE)
    assert play.status == 0, play
    assert copies_of_the_file(lab) == there, "none is left"
    for server in lab.servers:
        result = play.results("Run serverprep")[server.name]
        assert result["changed"] and result["saved"] == [], "nothing here runs at a boot"
        check = serverprep(server, "--vip", lab.vip, "--dsr-type", "l3", "--decap", "bpf", "--load-balancer", lab.lb.address,
                           "--check")
        assert check.status == 0, check


def test_the_second_run_changes_nothing(lab, controller):
    play = controller.play("prepare.yml", **AT_ONCE)
    assert play.status == 0, play
    assert play.changed == {server.name: 0 for server in lab.servers}


def test_verify_proves_the_rollout(lab, controller):
    play = controller.play("verify.yml")
    assert play.status == 0, play
    assert play.results("Run verify")["client"]["verdict"] == "proved"


def test_removing_makes_every_server_what_it_was(lab, controller):
    play = controller.play("remove.yml", **AT_ONCE)
    assert play.status == 0, play
    assert {server.name: all_of(server) for server in lab.servers} == lab.before


def test_removing_again_changes_nothing(lab, controller):
    play = controller.play("remove.yml", **AT_ONCE)
    assert play.status == 0, play
    assert play.changed == {server.name: 0 for server in lab.servers}
