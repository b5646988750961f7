"""The module serverprep on a host that really boots: what a playbook did is there after a reboot, without being asked for."""

import json

import pytest

from controller import PLAYBOOKS
from lab.booted import BootedHost
from lab.programs import program

VIP = "10.0.0.100"
LIBRARY = "/root/library"


@pytest.fixture(scope="module")
def host():
    with BootedHost() as host:
        host.install(program("serverprep"), "/usr/local/sbin/serverprep")
        with open(f"{PLAYBOOKS}/library/serverprep.py", encoding="utf-8") as file:
            host.run("mkdir", "-p", LIBRARY)
            host.write(f"{LIBRARY}/serverprep.py", file.read())
        yield host


def module(host, check=False, **parameters):
    """Runs the module as Ansible does. Returns its answer."""
    arguments = {"ANSIBLE_MODULE_ARGS": {"_ansible_check_mode": check, **parameters}}
    done = host.run("/usr/bin/python3", f"{LIBRARY}/serverprep.py", input=json.dumps(arguments), check=False)
    return json.loads(done.stdout)


def owns_vip(host):
    return f" {VIP}/32 " in host.run("ip", "-4", "address", "show", "dev", "lo").stdout


def test_what_a_playbook_did_survives_a_reboot(host):
    answer = module(host, vips=[VIP])
    assert answer.get("changed"), answer
    assert "/etc/systemd/system/serverprep.service" in answer["saved"]
    assert "for the next boot: /etc/systemd/system/serverprep.service" in answer["diff"]["after"]
    assert owns_vip(host)
    host.reboot()
    host.run("systemctl", "start", "serverprep.service")  # waits for it, if it has not run yet
    assert owns_vip(host)
    assert module(host, vips=[VIP])["changed"] is False


def test_a_file_for_the_next_boot_that_went_missing_is_a_change_by_itself(host):
    host.run("rm", "/etc/sysctl.d/zz-serverprep.conf")
    for check in (True, False):
        answer = module(host, check=check, vips=[VIP])
        assert answer.get("changed") and answer["saved"] == ([] if check else ["/etc/sysctl.d/zz-serverprep.conf"]), answer
        assert "/etc/sysctl.d/zz-serverprep.conf" in answer["diff"]["after"]
    assert module(host, check=True, vips=[VIP])["changed"] is False


def test_absent_takes_it_from_the_next_boot_too(host):
    assert module(host, check=True, state="absent")["changed"]
    assert owns_vip(host)
    answer = module(host, state="absent")
    assert answer.get("changed"), answer
    assert not owns_vip(host)
    host.run("test", "!", "-e", "/etc/systemd/system/serverprep.service")
    assert module(host, state="absent")["changed"] is False
