"""The playbooks over SSH, on hosts of the lab, as an operator runs them. The tests are one story, told in order."""

import pytest

from controller import PLAYBOOKS, PRIVATE, Controller
from lab import Lab, flat
from lab.programs import LoadBalancer, lb_url, write_config
from lab.services import Nginx, UdpEcho


@pytest.fixture(scope="module")
def lab():
    with Lab(flat(), private=PRIVATE) as lab:
        for server in lab.servers:
            Nginx(server)
            UdpEcho(server)
        with LoadBalancer(lab) as lab.balancer:
            yield lab


@pytest.fixture(scope="module")
def controller(lab, tmp_path_factory):
    variables = {"dsr_vips": [lab.vip], "dsr_verify_config": write_config(lab, lab.balancer.config, "verify.yaml"),
                 "dsr_verify_lb": lb_url(lab)}
    return Controller(lab.client, {"dsr_servers": lab.servers, "dsr_verifiers": [lab.client]}, variables,
                      str(tmp_path_factory.mktemp("controller")))


def everything(host):
    """All that preparing a server may change."""
    settings = host.run("sysctl", "--all", "--pattern", r"^net\.ipv4\.(ip_forward$|conf\.)").stdout
    links = [(link["ifname"], sorted(link["flags"])) for link in host.ip_json("link show")]
    addresses = [(link["ifname"], link["addr_info"]) for link in host.ip_json("-4 address show")]
    return settings, links, addresses, host.run("ls", "/usr/local/sbin", "/usr/local/bin").stdout


def forget_vip(lab):
    """The client's ARP cache forgets whom it took for the VIP's owner."""
    lab.client.run("ip", "neighbor", "flush", "all")


def test_check_mode_on_bare_hosts_tells_every_change_and_makes_none(lab, controller):
    before = [everything(server) for server in lab.servers]
    play = controller.play("prepare.yml", "--check", "--diff")
    assert play.status == 0, play
    assert [everything(server) for server in lab.servers] == before
    for server in lab.servers:
        result = play.results("Run serverprep")[server.name]
        assert result["changed"]
        planned = {step["object"]: step["status"] for step in result["steps"]}
        assert set(planned.values()) == {"planned"}
        assert f"address {lab.vip}/32 dev lo label lo:0" in planned
        assert f"{lab.vip}/32" in result["diff"]["after"]
        assert server.run("find", "/tmp", "-name", "*.dsr").stdout == "", "nothing staged is left"


def test_the_first_run_prepares_every_server(lab, controller):
    play = controller.play("prepare.yml")
    assert play.status == 0, play
    assert set(play.changed) == {server.name for server in lab.servers}
    assert all(changed > 0 for changed in play.changed.values()), play.changed
    for server in lab.servers:
        assert server.run("/usr/local/sbin/serverprep", "--vip", lab.vip, "--check").returncode == 0


def test_the_second_run_changes_nothing(lab, controller):
    for arguments in ((), ("--check",)):
        play = controller.play("prepare.yml", *arguments)
        assert play.status == 0, play
        assert play.changed == {server.name: 0 for server in lab.servers}


def test_verify_proves_the_healthy_pool_and_changes_nothing_but_its_own_program(lab, controller):
    forget_vip(lab)
    first = controller.play("verify.yml")
    assert first.status == 0, first
    assert first.results("Run verify")["client"]["verdict"] == "proved"
    again = controller.play("verify.yml", "--check")
    assert again.status == 0, again
    assert again.changed == {"client": 0}
    assert lab.client.run("find", "/tmp", "-maxdepth", "1", "-name", "*.dsr.yaml").stdout == ""


def test_verify_fails_and_names_the_fault_the_server_and_the_fix(lab, controller):
    broken = lab.servers[1]
    broken.ip(f"address delete {lab.vip}/32 dev lo")
    play = controller.play("verify.yml")
    assert play.status != 0 and play.failed == {"client": 1}, play
    message = play.results("Run verify")["client"]["msg"]
    assert "every-server-answers" in message and "vip-missing" in message
    assert broken.address in message and "serverprep --vip" in message


def test_preparing_again_changes_the_broken_server_alone_and_heals_it(lab, controller):
    play = controller.play("prepare.yml")
    assert play.status == 0, play
    assert play.changed == {lab.servers[0].name: 0, lab.servers[1].name: 1}
    forget_vip(lab)
    play = controller.play("verify.yml")
    assert play.status == 0, play


@pytest.mark.parametrize("variables, words", [
    ({"dsr_vips": ["10.0.0.100/24"]}, "10.0.0.100/24"),
    ({"dsr_vips": []}, "vips is empty"),
    ({"dsr_vips": ["10.0.0.100"], "dsr_persist": True}, "neither systemd nor ifupdown"),
    ({"dsr_vips": ["10.0.0.100"], "dsr_type": "l4"}, "dsr_type"),
    ({"dsr_vips": ["10.0.0.100"], "dsr_interface": "nosuch0"}, "nosuch0"),
    ({"dsr_vips": ["10.0.0.100"], "dsr_prefix": "/nonexistent"}, "/nonexistent/sbin/serverprep"),
])
def test_a_wrong_variable_fails_with_a_sentence_that_names_it_and_stops_at_the_first_batch(lab, controller, variables, words):
    before = [everything(server) for server in lab.servers]
    play = controller.play("prepare.yml", dsr_serial=1, **variables)
    assert play.status != 0
    assert words in play.text, play
    assert list(play.failed) == [lab.servers[0].name], "the second server was not touched"
    assert [everything(server) for server in lab.servers] == before


def test_the_playbooks_are_clean_under_ansible_lint(lab):
    done = lab.client.run("ansible-lint", "--offline", "--profile", "production", "--project-dir", PLAYBOOKS, "--nocolor",
                          *(f"{PLAYBOOKS}/{name}.yml" for name in ("prepare", "remove", "verify")), check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
