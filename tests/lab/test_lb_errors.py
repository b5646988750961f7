"""What can go wrong when lb starts is said in one sentence, with the exit status of DESIGN section 8: 2 for a
configuration error, 1 for everything else."""

import copy

import pytest

from lab.programs import LoadBalancer, lb_config, program, write_config

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
    config = lb_config(prepared_lab, interfaces=[{"name": "eth0", "gateway": "10.0.0.254"}])
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
