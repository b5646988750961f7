"""serverprep against the real kernel, in network namespaces made here: what it does, that it undoes it exactly, and what
happens when it fails or is killed halfway. Needs root and $DSR_PREFIX (see README.md)."""

import os
import signal
import subprocess

import pytest

from .prepared_host import SECOND_VIP, VIP
from .wait import wait_until

def ids(outcome):
    return sorted(finding["id"] for finding in outcome.json["findings"])


def statuses(outcome):
    return [step["status"] for step in outcome.json["steps"]]


def test_a_prepared_host_has_the_vip_and_keeps_quiet_about_it(host):
    outcome = host.serverprep("--vip", VIP, "--json")
    assert outcome.json["ok"] and outcome.json["changed"]
    assert set(statuses(outcome)) == {"done"} and ids(outcome) == []
    vip = host.addresses("lo")[f"{VIP}/32"]
    assert vip["label"] == "lo:0" and vip["scope"] == "host"
    assert "NOARP" in host.flags("lo")
    assert host.value("ip_forward") == 1
    for name, effective in (("arp_ignore", 1), ("arp_announce", 2), ("rp_filter", 2), ("send_redirects", 0)):
        assert max(host.value(f"conf.all.{name}"), host.value(f"conf.eth0.{name}")) == effective, name
    assert host.ip(f"route get {VIP} from 198.51.100.7 iif eth0").startswith(f"local {VIP}")


def test_a_second_run_changes_nothing(host):
    host.serverprep("--vip", VIP)
    before = host.dump()
    outcome = host.serverprep("--vip", VIP, "--json")
    assert outcome.json["ok"] and not outcome.json["changed"] and outcome.json["steps"] == []
    assert host.dump() == before


def test_check_tells_before_from_after_and_changes_nothing(host):
    before = host.dump()
    outcome = host.serverprep("--vip", VIP, "--check", "--json", expect=3)
    assert not outcome.json["ok"] and not outcome.json["changed"]
    assert ids(outcome) == ["arp-announce", "arp-ignore", "ip-forward", "rp-filter", "vip-missing"]
    assert host.dump() == before and not os.path.exists(host.state)
    host.serverprep("--vip", VIP)
    assert host.serverprep("--vip", VIP, "--check", "--json").json["ok"]


def test_the_commands_of_a_dry_run_do_what_a_run_does(host):
    before = host.dump()
    commands = host.serverprep("--vip", VIP, "--dry-run").stdout.splitlines()
    assert host.dump() == before and not os.path.exists(host.state)
    assert len(commands) >= 7
    for command in commands:
        host.run(*command.split())
    assert host.serverprep("--vip", VIP, "--check", "--json").json["steps"] == []


def test_remove_restores_exactly(host):
    before = host.dump()
    host.serverprep("--vip", VIP)
    assert host.dump() != before
    host.serverprep("--vip", VIP, "--remove")
    assert host.dump() == before
    assert host.serverprep("--vip", VIP, "--remove", "--json").json["steps"] == []


def test_removing_one_of_two_vips_leaves_the_other_prepared(host):
    before = host.dump()
    host.serverprep("--vip", VIP)
    host.serverprep("--vip", SECOND_VIP)
    assert host.addresses("lo")[f"{SECOND_VIP}/32"]["label"] == "lo:1"
    host.serverprep("--vip", VIP, "--remove")
    assert f"{VIP}/32" not in host.addresses("lo")
    host.serverprep("--vip", SECOND_VIP, "--check")
    host.serverprep("--remove")
    assert host.dump() == before


def test_a_lo_that_was_down_is_up_while_it_is_needed(host):
    host.ip("link set lo down")
    before = host.dump()
    assert "lo is down" not in host.serverprep("--vip", VIP).stdout
    assert host.ip(f"route get {VIP} from 198.51.100.7 iif eth0").startswith(f"local {VIP}")
    host.serverprep("--remove")
    assert host.dump() == before


def test_a_step_the_kernel_refuses_rolls_everything_back(host):
    before = host.dump()
    file = "/proc/sys/net/ipv4/conf/all/arp_announce"
    outcome = host.serverprep("--vip", VIP, "--json", expect=1, wrap=host.over_mount(file, file, "remount,ro,bind"))
    assert not outcome.json["ok"] and not outcome.json["changed"]
    assert set(statuses(outcome)) == {"rolled-back", "failed", "planned"}
    assert "Read-only file system" in outcome.json["error"]
    assert outcome.stderr.count("\n") == 1
    assert host.dump() == before
    assert host.serverprep("--remove", "--json").json["steps"] == []


def test_what_could_not_be_rolled_back_is_said_and_remembered(host):
    before = host.dump()
    conf = "/proc/sys/net/ipv4/conf/all"  # ip_forward resets accept_redirects in here, and it cannot be put back
    outcome = host.serverprep("--vip", VIP, "--json", expect=1, wrap=host.over_mount(conf, conf, "remount,ro,bind"))
    assert outcome.json["changed"] and "stuck" in statuses(outcome)
    assert "could not be taken back: net.ipv4.ip_forward" in outcome.json["error"]
    assert host.dump() != before
    host.serverprep("--remove")
    assert host.dump() == before


@pytest.mark.parametrize("run_again", [False, True])
def test_killed_halfway_nothing_is_lost(host, tmp_path, run_again):
    before = host.dump()
    # arp_announce of 'all' becomes a pipe: serverprep reads '0' from it, and its write blocks. That is halfway.
    pipe = str(tmp_path / "pipe")
    os.mkfifo(pipe)
    wrap = host.over_mount(pipe, "/proc/sys/net/ipv4/conf/all/arp_announce")
    process = subprocess.Popen(["ip", "netns", "exec", host.name, *wrap, *host.command("--vip", VIP)])
    try:
        def feed():
            writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)  # ENXIO while nobody reads: not yet
            os.write(writer, b"0\n")
            os.close(writer)
            return True

        wait_until(feed, "serverprep reads arp_announce")
        wait_until(lambda: host.value("conf.all.arp_ignore") == 1, "serverprep is halfway")
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert host.dump() != before
    assert f"{VIP}/32" not in host.addresses("lo")
    if run_again:
        host.serverprep("--vip", VIP)
        host.serverprep("--vip", VIP, "--check")
    host.serverprep("--vip", VIP, "--remove")
    assert host.dump() == before


def test_what_somebody_changed_since_is_kept(host):
    host.serverprep("--vip", VIP)
    host.sysctl("net.ipv4.conf.all.arp_ignore=2")
    outcome = host.serverprep("--remove", "--json")
    assert {step["object"]: step["status"] for step in outcome.json["steps"]}["net.ipv4.conf.all.arp_ignore"] == "kept"
    assert host.value("conf.all.arp_ignore") == 2
    assert host.value("conf.all.arp_announce") == 0


FAULTS = {
    "interface-down": "ip link set eth0 down",
    "vip-missing": f"ip addr del {VIP}/32 dev lo",
    "arp-ignore": "sysctl -w net.ipv4.conf.all.arp_ignore=0",
    "arp-ignore deaf": "sysctl -w net.ipv4.conf.eth0.arp_ignore=8",
    "arp-announce": "sysctl -w net.ipv4.conf.all.arp_announce=1",
    "rp-filter": "sysctl -w net.ipv4.conf.eth0.rp_filter=1",
    "ip-forward": "sysctl -w net.ipv4.ip_forward=0",
    "send-redirects": "sysctl -w net.ipv4.conf.eth0.send_redirects=1",
    "vip-on-interface": f"ip addr add {VIP}/32 dev eth0",
    "vip-prefix": f"ip addr add {VIP}/24 dev lo",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_is_named_and_its_fix_works(host, fault):
    host.serverprep("--vip", VIP)
    host.run(*FAULTS[fault].split())
    outcome = host.serverprep("--vip", VIP, "--interface", "eth0", "--check", "--json", expect=3)
    assert ids(outcome) == [fault.split()[0]]
    for command in outcome.json["findings"][0]["fix"].split(" && "):
        words = command.split()
        if words[0] == "serverprep":
            host.serverprep(*words[1:])
        else:
            host.run(*words)
    assert host.serverprep("--vip", VIP, "--interface", "eth0", "--check", "--json").json["findings"] == []


def test_an_interface_that_is_down_is_said_to_be(host):
    host.serverprep("--vip", VIP)
    host.ip("link set eth0 down")
    before = host.dump()
    outcome = host.serverprep("--vip", VIP, "--interface", "eth0", "--json", expect=1)
    assert ids(outcome) == ["interface-down"] and not outcome.json["changed"]
    host.ip("addr flush dev eth1")
    assert "eth0 has an address but is down" in host.serverprep("--vip", VIP, "--check", expect=2).stderr
    assert host.dump()[0] == before[0]


def test_a_vip_on_an_interface_is_not_taken_away(host):
    host.ip(f"addr add {VIP}/24 dev eth0")
    before = host.dump()
    outcome = host.serverprep("--vip", VIP, "--json", expect=1)
    assert ids(outcome)[-1] == "vip-on-interface" and not outcome.json["changed"]
    assert host.dump() == before


def test_remove_names_a_vip_on_lo_that_is_not_on_record(host):
    host.ip(f"addr add {VIP}/32 dev lo")
    for arguments in (["--vip", VIP], []):
        outcome = host.serverprep("--remove", *arguments, "--json")
        assert ids(outcome) == ["vip-kept"] and outcome.json["steps"] == []
    assert f"ip address delete {VIP}/32 dev lo" in host.serverprep("--remove").stdout
    host.run(*outcome.json["findings"][0]["fix"].split())
    assert host.serverprep("--remove").stdout == "nothing to undo\n"


def test_two_runs_at_once_prepare_two_vips_and_forget_neither(host):
    before = host.dump()
    runs = [subprocess.Popen(["ip", "netns", "exec", host.name, *host.command("--vip", vip)], stdout=subprocess.DEVNULL)
            for vip in (VIP, SECOND_VIP)]
    assert [run.wait(timeout=30) for run in runs] == [0, 0]
    labels = {host.addresses("lo")[f"{vip}/32"]["label"] for vip in (VIP, SECOND_VIP)}
    assert labels == {"lo:0", "lo:1"}
    host.serverprep("--remove", "--vip", VIP)
    host.serverprep("--vip", SECOND_VIP, "--check")
    host.serverprep("--remove")
    assert host.dump() == before


CONFIG = """
load_balancer: {interfaces: [{name: eth0}]}
network_profiles: [{name: web, type: tcp_fast_path, dsr_profile: {dsr_type: l2}}]
pools: [{name: web, servers: [{address: 10.0.0.12}, {address: SERVER}]}]
virtual_services: [{name: web, vip: 203.0.113.10, ports: [80], network_profile: web, pool: web}]
"""


def test_the_configuration_tells_a_server_its_vips(host, tmp_path):
    config = tmp_path / "dsr.yaml"
    config.write_text(CONFIG.replace("SERVER", "192.168.5.11"))
    outcome = host.serverprep("--config", str(config), "--json")
    assert outcome.json["vips"] == [VIP] and outcome.json["interface"] == "eth1"
    config.write_text(CONFIG.replace("SERVER", "10.0.0.13"))
    assert "no pool in the file has a server with an address of this host" in \
        host.serverprep("--config", str(config), expect=2).stderr


def test_a_vip_that_left_the_configuration_leaves_the_host_but_a_host_without_its_address_keeps_what_it_has(host, tmp_path):
    config = tmp_path / "dsr.yaml"
    config.write_text(CONFIG.replace("SERVER", "10.0.0.11"))
    host.serverprep("--config", str(config))
    prepared = host.dump()
    host.ip("addr del 10.0.0.11/24 dev eth0")
    host.serverprep("--config", str(config), expect=2)
    host.ip("addr add 10.0.0.11/24 dev eth0")
    host.ip("route add default via 10.0.0.1")
    assert host.dump() == prepared
    config.write_text(CONFIG.replace("SERVER", "10.0.0.11").replace(VIP, SECOND_VIP))
    outcome = host.serverprep("--config", str(config), "--json")
    assert outcome.json["vips"] == [SECOND_VIP]
    assert f"{VIP}/32" not in host.addresses("lo") and f"{SECOND_VIP}/32" in host.addresses("lo")


def test_a_vip_that_somebody_else_put_back_stays_hidden_when_ours_is_removed(host):
    host.serverprep("--vip", VIP)
    host.ip(f"addr del {VIP}/32 dev lo")
    host.ip(f"addr add {VIP}/32 dev lo")
    for _ in range(2):
        assert ids(host.serverprep("--remove", "--json")) == ["vip-kept"]
        assert f"{VIP}/32" in host.addresses("lo") and host.value("conf.all.arp_ignore") == 1
    host.ip(f"addr del {VIP}/32 dev lo")
    host.serverprep("--remove")
    assert host.value("conf.all.arp_ignore") == 0


def test_ip_forward_stays_for_whom_it_forwards_since(host):
    host.serverprep("--vip", VIP)
    host.ip("link add docker0 type bridge")
    assert host.serverprep("--remove", "--dry-run").stdout.count("net.ipv4.ip_forward=0") == 1, "it is down"
    host.ip("link set docker0 up")
    outcome = host.serverprep("--remove", "--json")
    assert {step["object"]: step["status"] for step in outcome.json["steps"]}["net.ipv4.ip_forward"] == "kept"
    assert host.value("ip_forward") == 1 and host.value("conf.docker0.forwarding") == 1


def test_fixing_the_vip_alone_makes_the_host_keep_quiet_about_it_first(host):
    outcome = host.serverprep("--vip", VIP, "--fix", "vip-missing", "--json")
    objects = [step["object"] for step in outcome.json["steps"]]
    assert objects.index("net.ipv4.conf.all.arp_ignore") < objects.index(f"address {VIP}/32 dev lo label lo:0")
    assert host.value("conf.all.arp_ignore") == 1 and host.value("ip_forward") == 0


@pytest.mark.parametrize("arguments, sentence", [
    (["--vip", VIP, "--interface", "eth7"], "there is no interface 'eth7'; there are: peer0, eth0, peer1, eth1"),
    (["--vip", "224.0.0.5"], "'224.0.0.5' is a multicast address"),
    (["--vip", "127.0.0.2"], "'127.0.0.2' is a loopback address"),
    (["--vip", "0.0.0.0"], "'0.0.0.0' is not an address of a host"),
    (["--vip", "255.255.255.255"], "'255.255.255.255' is the broadcast address"),
    (["--vip", "10.0.0.255"], "VIP '10.0.0.255' is the broadcast address of 10.0.0.0/24 on eth0"),
    (["--vip", "10.0.0.11"], "VIP '10.0.0.11' is this host's own address on eth0; choose another VIP"),
    (["--vip", "10.0.0.1"], "VIP '10.0.0.1' is the gateway of this host's default route; choose another VIP"),
    (["--vip", "10.0.0.2", "--load-balancer", "10.0.0.2"], "VIP '10.0.0.2' is the load balancer's own address"),
    (["--vip", f"{VIP}/32"], "has a prefix length; say the address alone"),
    (["--vip", "web"], "'web' is not an IPv4 address"),
    (["--vip", VIP, "--dsr-type", "l3", "--decap", "ipip"], "this kernel has no 'ipip': use bpf"),
    (["--vip", VIP, "--load-balancer", "10.0.0.0/7"], "'10.0.0.0/7' is shorter than 8"),
    (["--vip", f"{VIP}:0"], "has no port 1 to 65535"),
    (["--vip", VIP, "--check", "--fix", "arp-ignore"], "--fix"),
    (["--vip", VIP, "--load-balancer", "x"], "--load-balancer: 'x' is not an IPv4 address"),
    (["--vip", VIP, "--check", "--dry-run"], "--check"),
    (["--vip", VIP, "--config", "f"], "--config"),
    (["--config", "/nowhere/dsr.yaml"], "/nowhere/dsr.yaml"),
    ([], "--vip ADDRESS, or --config FILE"),
    (["--frobnicate"], "--frobnicate"),
])
def test_a_usage_error_is_one_sentence_and_changes_nothing(host, arguments, sentence):
    before = host.dump()
    outcome = host.serverprep(*arguments, expect=2)
    assert sentence in outcome.stderr and outcome.stderr.count("\n") == 1 and outcome.stdout == ""
    assert host.dump() == before and not os.path.exists(host.state)


def test_without_privilege_checking_works_and_changing_is_refused_in_one_sentence(host, tmp_path):
    user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    before = host.dump()
    tmp_path.chmod(0o755)
    outcome = host.serverprep("--vip", VIP, expect=1, user=user)
    assert "CAP_NET_ADMIN" in outcome.stderr and outcome.stderr.count("\n") == 1
    host.serverprep("--vip", VIP, "--check", expect=3, user=user)
    host.serverprep("--vip", VIP, "--dry-run", user=user)
    assert host.dump() == before


def test_help_and_version_go_to_standard_output(host):
    assert "--load-balancer" in host.serverprep("--help").stdout
    assert host.serverprep("--version").stdout.startswith("serverprep ")
