"""lb doctor on a real host: each test breaks one thing, expects that to be named and nothing else, applies the fix as it is
printed where it is a command, and expects silence again. Where lb would start, it does; where it would not, it does not."""

import contextlib
import json
import os

import pytest

from lab import Lab, flat, wait_until
from lab.programs import LoadBalancer, lb_config, program, run_json, write_config

# Whether the lb under test was built with DPDK is not the lab's matter.
BUILD = "dpdk-not-in-build"


@pytest.fixture(scope="module")
def lab():
    with Lab(flat()) as running:
        yield running


def config_of(lab, **load_balancer):
    return lb_config(lab, http="off", **load_balancer)


def dpdk_config(lab, device, workers=1, cores=None, huge_pages=None, **interface):
    config = config_of(lab, driver="dpdk", workers=workers, interfaces=[
        {"name": "uplink", "device": device, "address": "10.0.0.2/24", "mac": lab.lb.mac, "mtu": 1500, **interface}])
    if cores or huge_pages:
        config["load_balancer"]["dpdk"] = {**({"cores": cores} if cores else {}),
                                           **({"huge_pages": huge_pages} if huge_pages else {})}
    return config


class Doctor:
    """One run. `findings` by id, without the one about the build."""

    def __init__(self, lab, config=None, *before):
        path = write_config(lab, config or config_of(lab), "doctor.yaml")
        done = lab.lb.run(*before, program("lb"), "doctor", "--config", path, "--json", check=False)
        assert done.stderr == ""
        self.document = json.loads(done.stdout)
        assert done.returncode == (0 if self.document["ok"] else 3)
        assert self.document["ok"] == (self.document["findings"] == [])
        self.all = [finding for finding in self.document["findings"] if finding["id"] != BUILD]
        for finding in self.all:
            assert set(finding) == {"id", "severity", "subject", "message", "fix"} and all(finding.values()), finding
            assert finding["severity"] in ("error", "warning")

    @property
    def ids(self):
        return sorted(finding["id"] for finding in self.all)

    @property
    def only(self):
        (finding,) = self.all
        return finding


def apply(lab, finding):
    """The fix as it is printed, by a shell."""
    return lab.lb.run("sh", "-ec", finding["fix"])


def lb_starts(lab, config=None):
    with LoadBalancer(lab, config or config_of(lab)) as lb:
        return lb.stop() == 0


def lb_refuses(lab, config):
    path = write_config(lab, config, "refused.yaml")
    return lab.lb.run(program("lb"), "run", "--config", path, check=False, timeout=20).returncode != 0


# -- driver pcap -------------------------------------------------------------------------------------------------------


def test_a_host_in_order_has_no_finding_and_lb_starts_there(lab):
    doctor = Doctor(lab)
    assert doctor.ids == []
    assert {"privileges", "/dev/net/tun", "VIPs", "eth0"} <= {each["subject"] for each in doctor.document["checked"]}
    assert lb_starts(lab)


def test_beside_a_running_lb_there_is_no_finding_either(lab):
    with LoadBalancer(lab, config_of(lab)) as lb:
        assert Doctor(lab).ids == []
        assert lb.process.poll() is None
        assert lb.counters()["services"]


def test_an_interface_that_does_not_exist(lab):
    config = config_of(lab, interfaces=[{"name": "absent0"}])
    finding = Doctor(lab, config).only
    assert finding["id"] == "interface-missing" and finding["subject"] == "absent0" and "eth0" in finding["fix"]
    assert lb_refuses(lab, config)


def test_an_interface_that_is_down_and_the_fix_brings_it_up(lab):
    lab.lb.ip("link set eth0 down")
    finding = Doctor(lab).only
    assert finding["id"] == "interface-down"
    assert lb_refuses(lab, config_of(lab))
    apply(lab, finding)
    wait_until(lambda: Doctor(lab).ids == [], "eth0 is up again")


def test_an_interface_without_a_carrier(lab):
    switch = lab["net"]
    switch.ip("link set lb down")
    try:
        wait_until(lambda: Doctor(lab).ids == ["no-carrier"], "no-carrier is found")
    finally:
        switch.ip("link set lb up")
    wait_until(lambda: Doctor(lab).ids == [], "the carrier is back")


def test_an_interface_without_an_address_unless_the_file_gives_one(lab):
    lab.lb.ip("address delete 10.0.0.2/24 dev eth0")
    try:
        assert Doctor(lab).ids == ["no-address"]
        assert lb_refuses(lab, config_of(lab))
        assert Doctor(lab, config_of(lab, interfaces=[{"name": "eth0", "address": "10.0.0.2/24"}])).ids == []
    finally:
        lab.lb.ip("address add 10.0.0.2/24 brd + dev eth0")
    assert Doctor(lab).ids == []


def test_a_loopback_interface_is_no_ethernet(lab):
    config = config_of(lab, interfaces=[{"name": "lo"}])
    assert Doctor(lab, config).ids == ["not-ethernet"]
    assert lb_refuses(lab, config)


@contextlib.contextmanager
def offloads(lab, *features):
    """Switched on, and off again at the end."""
    def switch(state):
        for feature in features:
            lab.lb.run("ethtool", "-K", "eth0", feature, state)
    switch("on")
    try:
        yield
    finally:
        switch("off")


@pytest.mark.parametrize("feature", ["rx-udp-gro-forwarding", "rx-gro-list"])
def test_what_joins_datagrams_is_a_warning_and_the_fix_switches_it_off(lab, feature):
    with offloads(lab, "gro", feature):
        finding = Doctor(lab).only
        assert (finding["id"], finding["severity"], finding["subject"]) == ("udp-gro", "warning", "eth0")
        assert feature in finding["message"]
        apply(lab, finding)
        assert Doctor(lab).ids == []
        assert f"{feature}: off" in lab.lb.run("ethtool", "-k", "eth0").stdout


@pytest.mark.parametrize("feature", ["rx-udp-gro-forwarding", "rx-gro-list"])
def test_without_gro_nothing_joins_and_nothing_is_found(lab, feature):
    with offloads(lab, feature):
        assert Doctor(lab).ids == []


def test_gro_and_tso_of_tcp_are_no_findings_with_driver_pcap(lab):
    with offloads(lab, "gro"):
        assert "tcp-segmentation-offload: on" in lab.lb.run("ethtool", "-k", "eth0").stdout
        assert Doctor(lab).ids == []


@pytest.mark.parametrize("missing", ["net_raw", "net_admin"])
def test_a_missing_capability_is_the_one_that_lb_run_misses(lab, missing):
    without = ("setpriv", f"--bounding-set=-{missing}", f"--inh-caps=-{missing}")
    finding = Doctor(lab, None, *without).only
    assert (finding["id"], finding["subject"]) == ("capability-missing", f"CAP_{missing.upper()}")
    path = write_config(lab, config_of(lab), "refused.yaml")
    done = lab.lb.run(*without, program("lb"), "run", "--config", path, check=False, timeout=20)
    assert done.returncode == 1 and finding["subject"] in done.stderr


def test_an_ordinary_user_learns_of_all_capabilities_at_once(lab):
    path = write_config(lab, config_of(lab), "doctor.yaml")
    done = lab.lb.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all",
                      program("lb"), "doctor", "--config", path, "--json", check=False)
    assert done.returncode == 3
    findings = json.loads(done.stdout)["findings"]
    missing = {finding["subject"] for finding in findings if finding["id"] == "capability-missing"}
    assert missing == {"CAP_NET_ADMIN", "CAP_NET_RAW"}
    assert {finding["id"] for finding in findings} <= {"capability-missing", "tun-denied"}
    assert "cap_net_admin,cap_net_raw" in findings[0]["fix"]


@contextlib.contextmanager
def mounted(lab, target, source=None):
    """An empty directory, or another one, in the place of a directory of lb's host."""
    lab.lb.run("mount", *(["--bind", source] if source else ["-t", "tmpfs", "tmpfs"]), target)
    try:
        yield
    finally:
        lab.lb.run("umount", target)


def test_a_missing_tun_device_node(lab):
    with mounted(lab, "/dev/net"):
        assert Doctor(lab).ids == ["tun-missing"]
        assert lb_refuses(lab, config_of(lab))
    assert Doctor(lab).ids == []


def test_a_vip_that_is_an_address_of_the_host_and_the_fix_takes_it_away(lab):
    lab.lb.ip(f"address add {lab.vip}/32 dev lo")
    finding = Doctor(lab).only
    assert (finding["id"], finding["subject"]) == ("vip-local", lab.vip)
    assert lb_refuses(lab, config_of(lab))
    apply(lab, finding)
    assert Doctor(lab).ids == []


def test_a_vip_with_a_route_and_the_fix_takes_it_away(lab):
    lab.lb.ip(f"route add blackhole {lab.vip}/32")
    finding = Doctor(lab).only
    assert (finding["id"], finding["subject"]) == ("vip-route", lab.vip)
    assert lb_refuses(lab, config_of(lab))
    apply(lab, finding)
    assert Doctor(lab).ids == []


def test_several_faults_are_named_at_once(lab):
    lab.lb.ip(f"route add blackhole {lab.vip}/32")
    try:
        with offloads(lab, "gro", "rx-gro-list"), mounted(lab, "/dev/net"):
            assert Doctor(lab).ids == ["tun-missing", "udp-gro", "vip-route"]
    finally:
        lab.lb.ip(f"route delete blackhole {lab.vip}/32")


# -- driver dpdk: devices on a kernel interface --------------------------------------------------------------------------


def test_a_packet_socket_device_on_an_interface_in_order(lab):
    assert Doctor(lab, dpdk_config(lab, "net_af_packet0,iface=eth0")).ids == []


def test_another_mac_address_than_the_kernels(lab):
    other = "02:00:00:00:00:77"
    finding = Doctor(lab, dpdk_config(lab, "net_af_packet0,iface=eth0", mac=other)).only
    assert finding["id"] == "mac-differs" and lab.lb.mac in finding["fix"] and other in finding["message"]


def test_another_mtu_than_the_kernels(lab):
    smaller = Doctor(lab, dpdk_config(lab, "net_af_packet0,iface=eth0", mtu=1400)).only
    larger = Doctor(lab, dpdk_config(lab, "net_af_packet0,iface=eth0", mtu=1600)).only
    assert (smaller["id"], smaller["severity"]) == ("mtu-differs", "warning")
    assert (larger["id"], larger["severity"]) == ("mtu-differs", "error")


def test_a_device_on_an_interface_that_is_missing_or_down(lab):
    assert Doctor(lab, dpdk_config(lab, "net_af_packet0,iface=absent0")).ids == ["interface-missing"]
    lab.lb.ip("link set eth0 down")
    finding = Doctor(lab, dpdk_config(lab, "net_af_xdp0,iface=eth0")).only
    assert finding["id"] == "interface-down"
    apply(lab, finding)
    wait_until(lambda: Doctor(lab, dpdk_config(lab, "net_af_xdp0,iface=eth0")).ids == [], "eth0 is up again")


def test_receive_joining_below_a_packet_socket_device_and_the_fix_ends_it(lab):
    config = dpdk_config(lab, "net_af_packet0,iface=eth0")
    with offloads(lab, "gro"):
        finding = Doctor(lab, config).only
        assert (finding["id"], finding["severity"]) == ("super-frames", "warning")
        assert Doctor(lab, dpdk_config(lab, "net_af_xdp0,iface=eth0")).ids == []
        apply(lab, finding)
        assert Doctor(lab, config).ids == []


def test_frames_that_fit_neither_a_page_nor_a_slot(lab):
    lab.lb.ip("link set eth0 mtu 4000")
    try:
        assert Doctor(lab, dpdk_config(lab, "net_af_xdp0,iface=eth0", mtu=4000)).ids == ["mtu-exceeds-xdp"]
        assert Doctor(lab, dpdk_config(lab, "net_af_packet0,iface=eth0,framesz=2048", mtu=4000)).ids == ["frame-size"]
        assert Doctor(lab, dpdk_config(lab, "net_af_packet0,iface=eth0", mtu=4000)).ids == []
    finally:
        lab.lb.ip("link set eth0 mtu 1500")


def test_receive_queues_that_no_socket_takes(lab):
    lab.lb.ip("link add other numrxqueues 4 numtxqueues 4 type veth peer name wide numrxqueues 4 numtxqueues 4")
    lab.lb.run("ethtool", "-L", "other", "rx", "4", "tx", "4")
    lab.lb.ip(f"link set other address {lab.lb.mac} up")
    lab.lb.ip("link set wide up")
    try:
        finding = Doctor(lab, dpdk_config(lab, "net_af_xdp0,iface=other")).only
        assert finding["id"] == "xdp-queues" and "4" in finding["message"]
        apply(lab, finding)
        assert Doctor(lab, dpdk_config(lab, "net_af_xdp0,iface=other")).ids == []
    finally:
        lab.lb.ip("link delete wide")


def test_an_unknown_device(lab):
    finding = Doctor(lab, dpdk_config(lab, "net_frobnicate0")).only
    assert finding["id"] == "vdev-unknown" and "net_memif" in finding["fix"]


def test_a_name_for_the_kernels_side_that_is_taken(lab):
    config = dpdk_config(lab, "net_memif0", kernel_interface="eth0")
    assert Doctor(lab, config).ids == ["kernel-interface-taken"]
    assert Doctor(lab, dpdk_config(lab, "net_memif0", kernel_interface="dsr0")).ids == []


def test_the_socket_of_a_virtual_device(lab):
    path = f"{lab.directory}/vhost.sock"
    config = dpdk_config(lab, f"net_virtio_user0,path={path}")
    assert Doctor(lab, config).ids == ["path-missing"]
    with open(path, "w", encoding="utf-8"):
        assert Doctor(lab, config).ids == []


# -- driver dpdk: cores and workers --------------------------------------------------------------------------------------


def test_cores_that_this_machine_does_not_have(lab):
    finding = Doctor(lab, dpdk_config(lab, "net_null0", cores=[1000])).only
    assert (finding["id"], finding["subject"]) == ("core-missing", "core 1000")


def test_more_workers_than_cores_and_one_core_more_where_the_device_cannot_spread_flows(lab):
    one_core = ("taskset", "-c", str(min(os.sched_getaffinity(0))))
    assert Doctor(lab, dpdk_config(lab, "net_null0"), *one_core).ids == []
    assert Doctor(lab, dpdk_config(lab, "net_null0", workers=2), *one_core).ids == ["cores-too-few"]
    assert Doctor(lab, dpdk_config(lab, "net_memif0"), *one_core).ids == []
    assert Doctor(lab, dpdk_config(lab, "net_memif0", workers=2), *one_core).ids == [
        "cores-too-few", "no-receive-side-scaling"]


# -- driver dpdk: a PCI card, in a /sys made for the test ------------------------------------------------------------------


class Card:
    """The tree that stands in for /sys/bus/pci/devices of lb's host, with one card."""

    ADDRESS = "0000:3b:00.0"

    def __init__(self, directory, driver=None, group=None, interface=None):
        device = directory / "devices" / self.ADDRESS
        device.mkdir(parents=True)
        for name, text in {"class": "0x020000", "vendor": "0x8086", "device": "0x10fb", "numa_node": "-1", "irq": "11"}.items():
            (device / name).write_text(text + "\n", encoding="utf-8")
        if driver:
            (device / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")
        if group:
            (device / "iommu_group").symlink_to(f"../../../../kernel/iommu_groups/{group}")
        if interface:
            (device / "net" / interface).mkdir(parents=True)
        self.directory = str(directory / "devices")


def pci_findings(lab, card, *before, **interface):
    """Without huge pages and the module, which are the machine's."""
    with mounted(lab, "/sys/bus/pci/devices", card.directory):
        doctor = Doctor(lab, dpdk_config(lab, Card.ADDRESS, huge_pages="none", **interface), *before)
    return [finding for finding in doctor.all if finding["id"] != "vfio-pci-not-loaded"]


def test_a_pci_device_that_does_not_exist_and_those_that_do(lab, tmp_path):
    with mounted(lab, "/sys/bus/pci/devices", Card(tmp_path, "ixgbe", interface="ens1").directory):
        finding = Doctor(lab, dpdk_config(lab, "0000:00:1f.7", huge_pages="none")).only
    assert finding["id"] == "pci-missing"
    assert f"{Card.ADDRESS} (ixgbe, ens1)" in finding["fix"]


def test_a_card_that_the_kernel_has_and_uses(lab, tmp_path):
    kernel, in_use = pci_findings(lab, Card(tmp_path, "ixgbe", group=900, interface="eth0"))
    assert kernel["id"] == "pci-kernel-driver" and "ixgbe" in kernel["message"] and "'eth0'" in kernel["message"]
    assert kernel["fix"].startswith(f"dpdk-devbind.py --bind=vfio-pci {Card.ADDRESS}")
    assert (in_use["id"], in_use["severity"], in_use["subject"]) == ("interface-in-use", "warning", "eth0")


def test_a_card_that_the_kernel_has_and_lb_gives_back_a_part_of(lab, tmp_path):
    findings = pci_findings(lab, Card(tmp_path, "ixgbe", group=900, interface="eth0"), kernel_interface="dsr0")
    assert [finding["id"] for finding in findings] == ["pci-kernel-driver"]


def test_a_card_without_driver_and_without_iommu(lab, tmp_path):
    findings = pci_findings(lab, Card(tmp_path))
    assert [finding["id"] for finding in findings] == ["pci-unbound", "iommu-missing", "huge-pages-off"]


def test_a_card_of_vfios_whose_group_has_no_device_node_and_whose_memory_may_not_stay(lab, tmp_path):
    card = Card(tmp_path, "vfio-pci", group=900)
    findings = pci_findings(lab, card)
    assert f"/dev/vfio/{900}" in [finding["subject"] for finding in findings if finding["id"] == "device-node-missing"]
    assert {finding["id"] for finding in findings} == {"device-node-missing"}
    limited = pci_findings(lab, card, "prlimit", "--memlock=65536:65536", "setpriv", "--bounding-set=-ipc_lock",
                           "--inh-caps=-ipc_lock")
    assert {finding["id"] for finding in limited} == {"device-node-missing", "memlock-limit"}


def test_huge_pages_are_a_matter_of_pci_devices_alone(lab, tmp_path):
    free = int(lab.lb.run("sh", "-c", "cat /sys/kernel/mm/hugepages/*/free_hugepages | sort -n | tail -1").stdout)
    with mounted(lab, "/sys/bus/pci/devices", Card(tmp_path, "vfio-pci", group=900).directory):
        ids = Doctor(lab, dpdk_config(lab, Card.ADDRESS)).ids
    assert ("huge-pages-missing" in ids) == (free == 0)
    assert Doctor(lab, dpdk_config(lab, "net_null0")).ids == []


# -- what it does not do -----------------------------------------------------------------------------------------------


def state(lab):
    """What doctor could change, and how many frames left."""
    return [lab.lb.run(*command.split()).stdout for command in (
        "ip -details link", "ip address", "ip route show table all", "ethtool -k eth0",
        "cat /sys/class/net/eth0/statistics/tx_packets")]


def test_it_changes_nothing_and_sends_nothing(lab):
    before = state(lab)
    for config in (config_of(lab), dpdk_config(lab, "net_af_xdp0,iface=eth0"), dpdk_config(lab, "0000:00:1f.7")):
        Doctor(lab, config)
    assert state(lab) == before


def test_the_outcome_is_one_json_document(lab):
    write_config(lab, config_of(lab), "doctor.yaml")
    outcome = run_json(lab.lb, "lb", "doctor", "--config", f"{lab.directory}/doctor.yaml")
    assert outcome.status == 0 and outcome.json["ok"] is True and outcome.json["checked"]
