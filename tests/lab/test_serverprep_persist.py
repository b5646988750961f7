"""serverprep --persist on a system that really boots (booted.py): what was prepared is there after a reboot, what was removed
is not, and --check says of both what is so."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from lab.booted import BootedHost, cgroup_mount
from lab.host import CommandFailed, read_text
from lab.programs import program
from lab.prepared_host import Host
from lab.wait import wait_until

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = "/usr/local/sbin/serverprep"
SAVED = "/var/lib/serverprep/state.json"
SYSCTL_FILE = "/etc/sysctl.d/zz-serverprep.conf"
UNIT, GUARD = "serverprep.service", "serverprep-watch.service"
UNIT_FILE, GUARD_FILE = f"/etc/systemd/system/{UNIT}", f"/etc/systemd/system/{GUARD}"
LINK, GUARD_LINK = (f"/etc/systemd/system/multi-user.target.wants/{unit}" for unit in (UNIT, GUARD))
HOOK = "/etc/network/if-up.d/serverprep"
VIP, SECOND, THIRD = "203.0.113.10", "203.0.113.11", "203.0.113.12"
L3 = ("--dsr-type", "l3", "--load-balancer", "10.0.0.2", "--decap", "bpf")
# Unlike what any boot gives, so that they can only come back from a memory of them.
BEFORE = {"all.arp_announce": "1", "eth0.rp_filter": "1", "all.rp_filter": "0", "all.arp_ignore": "0", "eth0.send_redirects": "0",
          "all.send_redirects": "1"}


class Outcome:
    """Of one `serverprep … --json`."""

    def __init__(self, done):
        self.status, self.text = done.returncode, f"{done.stdout}{done.stderr}"
        self.document = json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def flaws(self):
        """{subject: finding} of what keeps it from surviving a reboot."""
        return {finding["subject"]: finding for finding in self.document["findings"] if finding["id"] == "not-persistent"}

    def __getattr__(self, key):
        return self.document[key]


def serverprep(host, *arguments, status=0):
    outcome = Outcome(host.run(PROGRAM, *arguments, "--json", check=False))
    assert outcome.status == status, f"{outcome.text}\n{journal(host)}"
    return outcome


def assert_right(host, *arguments):
    """--check has nothing to say at all."""
    outcome = serverprep(host, *arguments, "--check")
    assert (outcome.findings, outcome.steps, outcome.not_looked_at) == ([], [], []), outcome.text


def vips(host):
    return set(re.findall(r"inet (203[0-9.]+)/32 ", host.run("ip", "-4", "address", "show", "dev", "lo").stdout))


def journal(host, unit=UNIT):
    return host.run("journalctl", "--no-pager", "-b", "-u", unit).stdout


def settings(host, keys=tuple(BEFORE)):
    return {key: host.conf(*key.split(".")) for key in keys}


def new_files(host):
    """In /etc and /var/lib/serverprep, since the host was handed to the test."""
    found = host.run("find", "/etc", "/var/lib/serverprep", "-newer", "/etc/before", "-not", "-type", "d", check=False).stdout
    return set(found.split())


def is_active(host, unit):
    return host.unit(unit, "ActiveState") == "active"


@pytest.fixture(scope="module")
def machine():
    with BootedHost() as host:
        host.install(program("serverprep"), PROGRAM)
        host.run("touch", "/etc/before")
        yield host


@pytest.fixture
def host(machine):
    """With nothing of serverprep's on it, and settings of its own. It is left so by --remove, which is tested by that."""
    machine.run("sysctl", "-qw", "net.ipv4.ip_forward=0", *(f"net.ipv4.conf.{key}={value}" for key, value in BEFORE.items()))
    machine.run("touch", "/etc/before")
    yield machine
    done = machine.run(PROGRAM, "--remove", check=False)
    left = new_files(machine) | vips(machine)
    machine.run("rm", "-f", *left, SAVED, UNIT_FILE, LINK, GUARD_FILE, GUARD_LINK, SYSCTL_FILE)
    if done.returncode != 0 or left:
        machine.reboot()
    assert (done.returncode, left) == (0, set()), f"{done.stdout}{done.stderr}"


# A reboot.

@pytest.mark.parametrize("options", [(), L3], ids=["l2", "l3-bpf"])
def test_what_is_persisted_is_there_after_a_reboot_and_what_is_removed_is_not(host, options):
    vip = ("--vip", VIP, *options)
    serverprep(host, *vip)
    warned = serverprep(host, *vip, "--check").flaws()
    assert {subject: finding["severity"] for subject, finding in warned.items()} == {"host": "warning"}
    assert new_files(host) == set()

    persisted = serverprep(host, *vip, "--persist")
    assert (set(persisted.saved), persisted.changed) == ({SYSCTL_FILE, UNIT_FILE, LINK, SAVED}, True)
    assert new_files(host) == set(persisted.saved)
    assert_right(host, *vip)
    again = serverprep(host, *vip, "--persist")
    assert (again.saved, again.changed) == ([], False)

    host.reboot()
    assert is_active(host, UNIT), journal(host)
    assert host.run("systemctl", "is-system-running").stdout.strip() == "running"
    # Confined as the unit is, it can do all of its work.
    assert "ready:" in journal(host) and "not looked at" not in journal(host)
    assert vips(host) == {VIP}
    lines = dict(line.lstrip("-").split(" = ") for line in host.run("cat", SYSCTL_FILE).stdout.splitlines() if " = " in line)
    assert {key: host.run("cat", f"/proc/sys/{key}").stdout.strip() for key in lines} == lines
    assert "bpf" in host.run("tc", "filter", "show", "dev", "eth0", "ingress").stdout or not options
    assert_right(host, *vip)
    if options:
        assert_unit_sees_packet_filter(host)
    host.udev_adds("eth0")
    assert_right(host, *vip)

    serverprep(host, "--remove", "--vip", VIP)
    assert settings(host) == BEFORE
    assert new_files(host) == set()
    assert host.run("tc", "qdisc", "show", "dev", "eth0", "clsact").stdout == ""
    host.reboot()
    assert vips(host) == set()
    assert (host.unit(UNIT, "LoadState"), settings(host)["eth0.rp_filter"]) == ("not-found", "0")


def assert_unit_sees_packet_filter(host):
    host.run("nft", "add table ip t; add chain ip t c { type filter hook input priority 0; }; add rule ip t c "
             f"ip daddr {VIP} drop")
    try:
        host.run("systemctl", "restart", UNIT, check=False)
        assert "error firewall on" in journal(host)
    finally:
        host.run("nft", "delete table ip t")
        host.run("systemctl", "restart", UNIT)


def test_of_several_vips_those_come_back_that_were_not_removed(host):
    serverprep(host, "--vip", VIP, "--persist")
    # That it is persistent is of the host: no need to say so again.
    serverprep(host, "--vip", SECOND)
    serverprep(host, "--vip", THIRD, *L3)
    removed = serverprep(host, "--remove", "--vip", SECOND)
    assert removed.saved == [SAVED]
    host.reboot()
    assert vips(host) == {VIP, THIRD}
    assert_right(host, "--vip", VIP)
    assert_right(host, "--vip", THIRD, *L3)
    assert settings(host)["all.arp_ignore"] == "1"


def write_config(host, *served):
    service = [{"name": f"s{number}", "vip": vip, "ports": [80], "network_profile": "p", "pool": "own" if vip in served else "other"}
               for number, vip in enumerate((VIP, SECOND, THIRD))]
    host.write("/run/dsr.yaml", yaml.safe_dump({
        "load_balancer": {"interfaces": [{"name": "eth0"}]},
        "network_profiles": [{"name": "p", "type": "tcp_fast_path", "dsr_profile": {"dsr_type": "l2"}}],
        "pools": [{"name": "own", "servers": [{"address": "10.0.0.11"}]}, {"name": "other", "servers": [{"address": "10.0.0.12"}]}],
        "virtual_services": service}))


def test_of_a_configuration_that_changes_the_last_one_is_restored(host):
    write_config(host, VIP, SECOND)
    serverprep(host, "--config", "/run/dsr.yaml", "--persist")
    write_config(host, SECOND, THIRD)
    assert serverprep(host, "--config", "/run/dsr.yaml").saved == [SAVED]
    assert vips(host) == {SECOND, THIRD}
    host.reboot()
    assert vips(host) == {SECOND, THIRD}
    write_config(host, SECOND, THIRD)
    checked = serverprep(host, "--config", "/run/dsr.yaml", "--check", status=3)
    assert {finding["id"] for finding in checked.findings} == {"no-listener"}, checked.text  # nobody serves here
    assert (checked.steps, checked.flaws()) == ([], {})
    write_config(host)
    gone = serverprep(host, "--config", "/run/dsr.yaml")
    assert (set(gone.saved), new_files(host), vips(host)) == ({SYSCTL_FILE, UNIT_FILE, LINK, SAVED}, set(), set())


def add_late_interface(host):
    host.run("ip", "link", "add", "late.5", "type", "veth", "peer", "name", "late1")
    host.run("ip", "link", "set", "late1", "up")


def give_late_interface_an_address(host):
    host.run("ip", "address", "add", "10.5.0.11/24", "dev", "late.5")
    host.run("ip", "link", "set", "late.5", "up")


def test_an_interface_that_comes_late_does_not_lose_the_vip_and_before_it_nothing_answers_arp(host):
    add_late_interface(host)
    give_late_interface_an_address(host)
    try:
        serverprep(host, "--vip", VIP, "--interface", "late.5", "--persist")
        host.reboot()
        assert vips(host) == set()
        assert (host.conf("all", "arp_ignore"), host.conf("all", "arp_announce")) == ("1", "2")
        # A key of a link that is not there is no failure.
        assert host.unit("systemd-sysctl.service", "Result") == "success"
        assert "late" not in journal(host, "systemd-sysctl.service")
        wait_until(lambda: "there is no interface 'late.5' yet" in journal(host), "the unit has been tried")
        add_late_interface(host)
        host.udev_adds("late.5")
        assert host.conf("late.5", "rp_filter") == "2"
        give_late_interface_an_address(host)
        wait_until(lambda: is_active(host, UNIT), "the unit is tried again", timeout=15)
        assert vips(host) == {VIP}
        assert_right(host, "--vip", VIP, "--interface", "late.5")
    finally:
        host.run("ip", "link", "delete", "late.5")


# The guard.

def test_the_guard_is_a_service_from_now_on_and_after_a_reboot(host):
    assert {GUARD_FILE, GUARD_LINK} < set(serverprep(host, "--vip", VIP, "--persist", "--watch").saved)
    assert is_active(host, GUARD), journal(host, GUARD)
    assert_right(host, "--vip", VIP)
    # What is prepared later is guarded, too; the guard stays though nobody asks for it again.
    serverprep(host, "--vip", THIRD, *L3, "--persist")
    assert_guarded(host, VIP, THIRD)

    host.reboot()
    assert (is_active(host, UNIT), is_active(host, GUARD)) == (True, True), journal(host, GUARD)
    assert_right(host, "--vip", VIP)
    assert host.unit(GUARD, "WatchdogUSec") == "30s"
    assert_guarded(host, VIP, THIRD)

    host.run("rm", GUARD_LINK)
    assert set(serverprep(host, "--vip", VIP, "--check", status=3).flaws()) == {GUARD_LINK}
    serverprep(host, "--vip", VIP, "--fix", "not-persistent")
    assert_right(host, "--vip", VIP)

    pid = host.unit(GUARD, "MainPID")
    serverprep(host, "--remove")
    wait_until(lambda: host.run("test", "-d", f"/proc/{pid}", check=False).returncode == 1, "the guard has gone", timeout=5)
    assert (vips(host), new_files(host)) == (set(), set())


def assert_guarded(host, *addresses):
    """Each of the VIPs, and the filters of the tunnel, come back by themselves."""
    for vip in addresses:
        host.run("ip", "address", "delete", f"{vip}/32", "dev", "lo")
    host.run("tc", "qdisc", "delete", "dev", "eth0", "clsact")
    wait_until(lambda: vips(host) == set(addresses), "the guard puts the VIPs back")
    wait_until(lambda: "bpf" in host.run("tc", "filter", "show", "dev", "eth0", "ingress").stdout, "and the filters")


def test_a_guard_of_what_is_on_record_needs_something_on_record(host):
    done = host.run(PROGRAM, "--watch", check=False)
    assert (done.returncode, "nothing is on record to guard" in done.stderr) == (1, True)


@pytest.mark.parametrize("options", ["--interval 5", "--metrics /run/x.prom"])
def test_what_the_service_would_not_do_is_refused(host, options):
    serverprep(host, "--vip", VIP, "--persist", "--watch", *options.split(), status=2)


# Somebody else's files, and ours in somebody else's hands.

@pytest.mark.parametrize("path", [SYSCTL_FILE, UNIT_FILE])
def test_a_file_in_the_way_stays_and_nothing_is_changed(host, path):
    host.write(path, "# mine\n")
    try:
        failed = serverprep(host, "--vip", VIP, "--persist", status=1)
        assert f"'{path}' was not written by serverprep" in failed.error
        assert {step["status"] for step in failed.steps} == {"rolled-back"}, failed.text
        assert (vips(host), settings(host), new_files(host)) == (set(), BEFORE, {path})
        assert host.run("cat", path).stdout == "# mine\n"
        assert serverprep(host, "--vip", VIP, "--check", status=3).flaws().keys() == {"host"}
    finally:
        host.run("rm", "-f", path)


def test_an_edited_file_is_named_and_left_alone(host):
    serverprep(host, "--vip", VIP, "--persist")
    host.run("sed", "-i", "s/arp_ignore = 1/arp_ignore = 0/", SYSCTL_FILE)
    edited = host.run("cat", SYSCTL_FILE).stdout
    flaws = serverprep(host, "--vip", VIP, "--check", status=3).flaws()
    assert {subject: finding["severity"] for subject, finding in flaws.items()} == {SYSCTL_FILE: "error"}
    assert flaws[SYSCTL_FILE]["fix"].startswith(f"move {SYSCTL_FILE} away")
    for words in (("--vip", VIP, "--persist"), ("--vip", VIP, "--fix", "not-persistent"), ("--remove",)):
        assert SYSCTL_FILE in serverprep(host, *words, status=1).error
        assert host.run("cat", SYSCTL_FILE).stdout == edited
    host.run("rm", SYSCTL_FILE)


def test_a_unit_that_is_not_enabled_any_more_is_named_and_mended(host):
    serverprep(host, "--vip", VIP, "--persist")
    host.run("systemctl", "disable", UNIT)
    assert set(serverprep(host, "--vip", VIP, "--check", status=3).flaws()) == {LINK}
    mended = serverprep(host, "--vip", VIP, "--fix", "not-persistent")
    assert (mended.saved, mended.steps, mended.changed) == ([LINK], [], True)
    assert host.run("systemctl", "is-enabled", UNIT).stdout.strip() == "enabled"
    assert_right(host, "--vip", VIP)


def test_udev_resets_rp_filter_of_what_is_not_persisted_and_not_of_what_is(host):
    host.write("/etc/sysctl.d/50-default.conf", "net.ipv4.conf.*.rp_filter = 1\n-net.ipv4.conf.all.rp_filter\n")
    try:
        serverprep(host, "--vip", VIP)
        host.udev_adds("eth0")
        assert host.conf("eth0", "rp_filter") == "1"
        serverprep(host, "--vip", VIP, "--persist")
        host.udev_adds("eth0")
        assert_right(host, "--vip", VIP)
    finally:
        host.run("rm", "/etc/sysctl.d/50-default.conf")


@pytest.mark.parametrize("file, line, wins", [
    ("99-other.conf", "net.ipv4.conf.all.arp_ignore = 0", False),
    ("zzz-other.conf", "net.ipv4.conf.*.arp_ignore = 0", False),
    ("zzz-other.conf", "net.ipv4.conf.all.arp_ignore = 0", True),
    ("zzz-other.conf", "net/ipv4/conf/all/arp_ignore=0", True),
    ("zzz-other.conf", "-net.ipv4.conf.all.arp_ignore = 0", True),
    ("zzz-other.conf", "-net.ipv4.conf.all.arp_ignore", True),
    ("zzz-other.conf", "net.ipv4.conf.all.arp_ignore = 1", False),
])
def test_another_file_is_named_exactly_when_systemd_lets_it_win(host, file, line, wins):
    serverprep(host, "--vip", VIP, "--persist")
    path = f"/etc/sysctl.d/{file}"
    host.write(path, f"# somebody's\n{line}\n")
    try:
        host.run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0")
        host.run("/lib/systemd/systemd-sysctl")
        assert host.conf("all", "arp_ignore") == ("0" if wins else "1")
        flaws = serverprep(host, "--vip", VIP, "--check", status=3 if wins else 0).flaws()
        assert set(flaws) == ({f"{path}:2"} if wins else set())
    finally:
        host.run("rm", path)


# The units, the hook, and where none of it applies.

def test_without_what_was_saved_the_unit_does_nothing_and_does_not_fail(host):
    serverprep(host, "--vip", VIP, "--persist")
    host.run("rm", SAVED)
    host.run("systemctl", "start", UNIT)
    assert (host.unit(UNIT, "ActiveState"), host.unit(UNIT, "ConditionResult")) == ("inactive", "no")


def test_systemd_finds_no_fault_with_the_units_and_they_are_confined(host):
    serverprep(host, "--vip", VIP, "--persist", "--watch")
    for unit in (UNIT_FILE, GUARD_FILE):
        checked = host.run("systemd-analyze", "verify", "--man=no", unit, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")
        said = host.run("systemd-analyze", "security", "--offline=true", "--no-pager", unit).stdout
        assert float(re.search(r"exposure level for \S+: ([\d.]+)", said)[1]) <= 3.0, said


def test_ifupdown_runs_the_hook_for_an_interface_of_ours_alone(host):
    """run-parts as ifup calls it; the host is made one without systemd by hiding its directory."""
    host.run("ln", "-sf", "/bin/true", "/usr/sbin/ifup")
    host.run("mv", "/run/systemd/system", "/run/systemd/system-hidden")
    try:
        assert set(serverprep(host, "--vip", VIP, "--persist").saved) == {SYSCTL_FILE, HOOK, SAVED}
        assert_right(host, "--vip", VIP)
        assert HOOK in host.run("run-parts", "--test", "/etc/network/if-up.d").stdout
        for words, runs in {"MODE=start ADDRFAM=inet IFACE=eth0": True, "MODE=start ADDRFAM=inet IFACE=eth1": False,
                            "MODE=start ADDRFAM=inet6 IFACE=eth0": False, "MODE=stop ADDRFAM=inet IFACE=eth0": False,
                            "MODE=start ADDRFAM=meta IFACE=--all": False, "MODE=start ADDRFAM=inet IFACE=lo": True}.items():
            host.run("ip", "address", "flush", "dev", "lo", "to", f"{VIP}/32")
            said = host.run("env", *words.split(), HOOK)
            assert (vips(host), said.stdout, said.stderr) == ({VIP} if runs else set(), "", ""), words
        refused = host.run(PROGRAM, "--vip", VIP, "--persist", "--watch", check=False)
        assert (refused.returncode, "by systemd" in refused.stderr) == (1, True)
        host.run(PROGRAM, "--remove")
    finally:
        host.run("mv", "/run/systemd/system-hidden", "/run/systemd/system")
        host.run("rm", "/usr/sbin/ifup")


def test_another_network_namespace_of_the_host_is_none_of_it(host):
    """Of a container, say: what is saved for the host is not taken for its own, and nothing of it is to survive."""
    serverprep(host, "--vip", VIP, "--persist")
    inside = f"""
        set -e
        ip link set lo up
        ip link add eth0 type veth peer name peer0
        ip link set peer0 up
        ip link set eth0 up
        ip address add 10.0.0.11/24 dev eth0
        ip route add default via 10.0.0.1
        {PROGRAM} --vip {SECOND} > /run/prepared
        {PROGRAM} --vip {SECOND} --check --json
        ! {PROGRAM} --vip {SECOND} --persist > /run/refused 2>&1
        {PROGRAM} --remove > /run/removed
        ip -4 address show dev lo > /run/left
    """
    outcome = Outcome(host.run("unshare", "--net", "sh", "-c", inside))
    assert (outcome.ok, outcome.flaws()) == (True, {}), outcome.text
    assert "no reboot brings this network namespace back" in host.run("cat", "/run/refused").stdout
    assert "203.0.113" not in host.run("cat", "/run/left").stdout
    assert_right(host, "--vip", VIP)


def test_in_a_namespace_of_a_machine_nobody_asks_for_persistence(tmp_path):
    namespace = Host(str(tmp_path))
    try:
        namespace.set_up()
        assert namespace.serverprep("--vip", VIP, "--json").json["findings"] == []
        assert namespace.serverprep("--vip", VIP, "--check", "--json").json["findings"] == []
    finally:
        namespace.tear_down()


# The booted host itself.

def test_a_booted_host_shares_nothing_that_can_be_written(machine):
    mounts = machine.run("findmnt", "--noheadings", "--raw", "--output", "TARGET,FSTYPE,OPTIONS").stdout
    shared = [line for line in mounts.splitlines() if line.split()[1] not in
              ("overlay", "tmpfs", "devpts", "cgroup2", "proc", "sysfs", "ramfs", "mqueue", "autofs")]
    assert shared == []
    with pytest.raises(CommandFailed):
        machine.run("sysctl", "-w", "fs.protected_hardlinks=1")
    machine.run("touch", "/tmp/of-the-booted-host", "/etc/of-the-booted-host")
    assert not os.path.exists("/tmp/of-the-booted-host") and not os.path.exists("/etc/of-the-booted-host")


def test_a_booted_host_goes_when_its_owner_is_killed():
    script = ("from lab.booted import BootedHost\n"
              "with BootedHost() as host:\n"
              "    print(host.pid, host.directory, flush=True)\n"
              "    input()\n")
    with subprocess.Popen([sys.executable, "-c", script], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={**os.environ, "PYTHONPATH": TESTS}) as owner:
        pid, directory = owner.stdout.readline().split()
        assert os.path.exists(f"/proc/{pid}") and os.path.exists(directory)
        cgroup = next(line for line in read_text(f"/proc/{pid}/cgroup").splitlines() if line.startswith("0::"))
        name = re.search(r"/(dsr-booted-[0-9a-f]+)", cgroup)[1]
        owner.kill()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "its PID 1 is gone")
    wait_until(lambda: not os.path.exists(directory), "its directory is gone")
    wait_until(lambda: not os.path.exists(f"{cgroup_mount()}/{name}"), "its cgroup is gone")
