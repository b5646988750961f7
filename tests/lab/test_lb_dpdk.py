"""What only driver dpdk has: its devices, its threads, the kernel's part in a device, and what it says when a device is
not as it should be. (Everything that both drivers have is tested by the other files, with DSR_LAB_DRIVER=dpdk.)"""

import collections
import json
import os
import re

import pytest
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, rdpcap, wrpcap

from lab import traffic, wait_until
from lab.programs import LoadBalancer, lb_config, lb_interface, program, write_config

pytestmark = pytest.mark.parametrize("prepared_lab", ["flat"], indirect=True)


def dpdk_config(lab, device=None, **load_balancer):
    """lb on one device in place of eth0; without huge pages, as there are none on most test machines. A dictionary `dpdk`
    and all else replaces keys of the section load_balancer."""
    interface = lb_interface(lab, 0, "dpdk") | ({"device": device} if device else {})
    interface |= load_balancer.pop("interface", {})
    return lb_config(lab, driver="dpdk", interfaces=[interface], **{"dpdk": {"huge_pages": "none"}, **load_balancer})


def with_fixed_servers(config):
    """The same where nobody answers ARP."""
    for pool in config["pools"]:
        for server in pool["servers"]:
            server["mac"] = "02:00:" + ":".join(f"{int(byte):02x}" for byte in server["address"].split("."))
    return config


def refused(lab, config):
    """The sentence with which `lb run` refuses to start, and its exit status."""
    path = write_config(lab, config, "broken.yaml")
    done = lab.lb.run(program("lb"), "run", "--config", path, check=False, timeout=30)
    lines = done.stderr.splitlines()
    assert done.stdout == "" and lines, done
    assert not any(re.match(r"\s|EAL|Usage|TELEMETRY|lib", line) for line in lines), f"not for operators: {done.stderr}"
    return lines[-1], done.returncode


def interfaces(lb):
    return json.loads(lb.command("show", "interfaces", "--json").stdout)


def left_in_run(lab):
    return lab.lb.run("sh", "-c", "ls -d /run/dpdk/dsr-lb-* 2>/dev/null", check=False).stdout.split()


# -- devices -----------------------------------------------------------------------------------------------------------

VDEVS = {
    "null": "net_null0",
    "ring": "net_ring0",
    "tap": "net_tap0,iface=dtap0",
    "memif": "net_memif0,role=server,socket={directory}/memif.sock",
    "vhost": "net_vhost0,iface={directory}/vhost.sock",
    "af_packet": "net_af_packet0,iface=eth0",
    "af_xdp": "net_af_xdp0,iface=eth0",
    "pcap": "net_pcap0,iface=eth0",
}


@pytest.mark.parametrize("kind", VDEVS)
def test_lb_runs_on_every_kind_of_virtual_device_and_starts_again_after_sigkill(prepared_lab, kind):
    lab = prepared_lab
    config = with_fixed_servers(dpdk_config(lab, VDEVS[kind].format(directory=lab.directory)))
    with LoadBalancer(lab, config) as lb:
        lb.kill()
        assert "EAL" not in lb.log() and "libxdp" not in lb.log(), "DPDK prints nothing that operators see"
    with LoadBalancer(lab, config) as lb:
        assert interfaces(lb)[0]["name"] == "eth0"
        assert lb.stop() == 0
    assert left_in_run(lab) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_a_virtio_user_device_talks_to_a_vhost_device(prepared_lab, workers):
    """Two lb, one on either end of a virtual cable: what the one answers is what the other has sent."""
    lab = prepared_lab
    path = f"{lab.directory}/cable-{workers}.sock"
    server = with_fixed_servers(dpdk_config(lab, f"net_vhost0,iface={path},queues=1", workers=workers))
    with LoadBalancer(lab, server) as lb:
        other = dpdk_config(lab, f"net_virtio_user0,path={path}", interface={"address": "10.0.0.3/24", "mac": "02:00:0a:00:00:03"},
                            neighbors=[], control_socket=f"{lab.directory}/other.sock", http="off")
        # Its only server is the first lb's own address: it answers ARP where no kernel does.
        other["pools"][0]["servers"] = [{"address": lab.lb.address}]
        for service in other["virtual_services"]:
            service["vip"] = "10.0.0.99"
        path = write_config(lab, other, "other.yaml")
        process = lab.lb.popen("unshare", "--net", program("lb"), "run", "--config", path, log="other")
        try:
            neighbors = lambda: lab.lb.run(program("lb"), "show", "neighbors", "--socket", f"{lab.directory}/other.sock",
                                           check=False).stdout
            wait_until(lambda: lab.lb.mac in neighbors(), "the other lb has resolved this one over the cable", 20)
            assert lb.counters()["answers"]["arp"] >= 1
        finally:
            process.terminate()
            process.wait(10)


# -- the same packets as the core gives ----------------------------------------------------------------------------------

def frames_of_all_kinds(lab, size):
    """TCP and UDP flows, fragments in any order, ICMP errors, and what is not for lb."""
    link = Ether(src=lab.client.mac, dst=lab.lb.mac)
    to_vip = IP(src=lab.client.address, dst=lab.vip)
    frames = []
    for port in range(2000, 2060):
        frames.append(link / to_vip / TCP(sport=port, dport=80, flags="S", seq=1))
        frames.append(link / to_vip / TCP(sport=port, dport=80, flags="A", seq=2) / Raw(bytes(port % size)))
        frames.append(link / to_vip / UDP(sport=port, dport=7000) / Raw(bytes(size - port)))
        sent = IP(src=lab.vip, dst=lab.client.address) / TCP(sport=80, dport=port)
        frames.append(link / IP(src="10.0.0.1", dst=lab.vip) / ICMP(type=3, code=4, nexthopmtu=1400) / bytes(sent)[:28])
    datagram = IP(src=lab.client.address, dst=lab.vip, id=7) / UDP(sport=9, dport=7000) / Raw(bytes(3000))
    frames += [link / piece for piece in reversed(datagram.fragment(1400))]
    frames.append(link / to_vip / ICMP(type=8))
    frames.append(link / IP(src=lab.client.address, dst=lab.lb.address) / TCP(dport=22))
    return frames


def without_fragments(frames):
    inner = [Ether(frame)[IP][IP:2] if Ether(frame).haslayer(IP) and Ether(frame)[IP].proto == 4 else Ether(frame)[IP] for frame in frames]
    return [frame for frame, packet in zip(frames, inner) if packet.frag == 0 and "MF" not in packet.flags]


@pytest.mark.parametrize("mtu, size", [(1500, 4000), (9000, 8900)], ids=["standard", "jumbo"])
@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("dsr_type", ["l2", "l3"])
def test_frames_leave_as_replay_says_with_any_number_of_workers(prepared_lab, dsr_type, workers, mtu, size):
    lab = prepared_lab
    recorded, sent, expected = (f"{lab.directory}/{name}.pcap" for name in ("in", "sent", "expected"))
    frames = [frame for frame in frames_of_all_kinds(lab, size) if mtu > 1500 or len(frame) <= mtu + 14]
    wrpcap(recorded, frames)
    config = with_fixed_servers(dpdk_config(lab, f"net_pcap0,rx_pcap={recorded},tx_pcap={sent}", workers=workers,
                                            interface={"mtu": mtu}))
    for profile in config["network_profiles"]:
        profile["dsr_profile"]["dsr_type"] = dsr_type
    with LoadBalancer(lab, config) as lb:
        wait_until(lambda: lb.counters()["received"] == len(frames), "every frame has its end")
        assert lb.counters()["dropped"] == {}
        assert lb.stop() == 0
    lab.lb.run(program("lb"), "replay", "--config", lb.config_path, "--in", recorded, "--out", expected)
    really = [bytes(frame) for frame in rdpcap(sent) if frame[Ether].type == 0x0800]  # without lb's ARP
    wanted = [bytes(frame) for frame in rdpcap(expected)]
    assert len(wanted) > len(frames) / 2
    assert collections.Counter(really) == collections.Counter(wanted)
    if workers == 1:  # the order counts too, but for fragments: those that have waited leave at the end of a burst
        assert without_fragments(really) == without_fragments(wanted)


# -- workers -------------------------------------------------------------------------------------------------------------

def test_two_workers_and_a_receiving_core_lose_nothing_and_move_no_flow(prepared_lab):
    lab = prepared_lab
    with LoadBalancer(lab, dpdk_config(lab, workers=2)) as lb:
        threads = lab.lb.run("ls", f"/proc/{lb.process.pid}/task").stdout.split()
        assert len(threads) >= 4, "control, two workers, one that receives"
        assert "one more core receives for all" in lb.log()
        answers = traffic.http_requests(lab.client, lab.vip, 200)
        echoes = traffic.udp_echoes(lab.client, lab.vip, 2000)
        counters = lb.counters()
    assert answers["errors"] == [] and set(answers["answers"]) == {"s1", "s2"}
    assert echoes["lost"] == 0 and echoes["wrong"] == 0
    assert counters["new_flows"] == 200 + 50, "each flow is known to one worker"
    assert counters["received"] == counters["forwarded"] + counters["answered"] + counters["passed"] + sum(counters["dropped"].values())


def test_workers_run_on_the_cores_that_the_configuration_names(prepared_lab):
    lab = prepared_lab
    core = min(os.sched_getaffinity(0))
    config = with_fixed_servers(dpdk_config(lab, "net_null0", dpdk={"huge_pages": "none", "cores": [core]}))
    with LoadBalancer(lab, config) as lb:
        affinities = [lab.lb.run("taskset", "-pc", thread).stdout.split(": ")[1].strip()
                      for thread in lab.lb.run("ls", f"/proc/{lb.process.pid}/task").stdout.split()]
        assert str(core) in affinities
        assert lab.lb.run("taskset", "-pc", lb.process.pid).stdout.split(": ")[1].strip() != str(core), \
            "the control thread stays where it was"


# -- the kernel's part ---------------------------------------------------------------------------------------------------

@pytest.fixture
def taken_over(prepared_lab):
    """eth0 of lb's host is DPDK's alone: the kernel has neither address nor route there."""
    host = prepared_lab.lb
    addresses, routes = host.ip("-4 address show dev eth0"), host.ip("route show")
    assert "10.0.0.2/24" in addresses and "10.0.0.0/24" in routes
    host.ip("address flush dev eth0")
    yield prepared_lab
    host.ip("address add 10.0.0.2/24 brd + dev eth0")


XDP = "net_af_xdp0,iface=eth0"


def test_one_device_serves_lb_and_the_kernel_through_the_kernel_interface(taken_over):
    lab = taken_over
    config = dpdk_config(lab, XDP, interface={"kernel_interface": "dsr0"})
    page = lab.lb.popen("/usr/bin/python3", "-m", "http.server", "8088", "--directory", lab.lb.directory)
    with LoadBalancer(lab, config) as lb:
        link = lab.lb.ip_json("address show dev dsr0")[0]
        assert link["address"] == lab.lb.mac and link["mtu"] == 1500
        assert link["addr_info"][0]["local"] == lab.lb.address
        assert traffic.http_requests(lab.client, lab.vip, 50)["errors"] == []
        assert lab.client.run("ping", "-c", "3", "-i", "0.2", lab.lb.address).returncode == 0
        lab.lb.wait_listening(8088, page)
        assert "HTTP/1.0 200" in lab.client.run("curl", "-sS", "-i", "--max-time", "5", f"http://{lab.lb.address}:8088/").stdout
        assert lab.lb.run("ping", "-c", "2", "-i", "0.2", lab.client.address).returncode == 0, "and outwards"
        counts = [entry["kernel_interface"] for entry in interfaces(lb)][0]
        assert counts["name"] == "dsr0" and counts["to_kernel"] > 5 and counts["from_kernel"] > 5
        assert counts["dropped"] == 0
        assert lb.counters()["answers"]["icmp_echo"] == 0, "the kernel has answered its own address"
        assert lb.stop() == 0
    assert "dsr0" not in lab.lb.ip("link")


def test_sigkill_takes_the_kernel_interface_away_and_lb_starts_again(taken_over):
    lab = taken_over
    config = dpdk_config(lab, XDP, interface={"kernel_interface": "dsr0"})
    with LoadBalancer(lab, config) as lb:
        assert "dsr0" in lab.lb.ip("link")
        lb.kill()
        wait_until(lambda: "dsr0" not in lab.lb.ip("link"), "the TAP is gone")
    with LoadBalancer(lab, config):
        assert traffic.http_requests(lab.client, lab.vip, 20)["errors"] == []


def test_where_no_kernel_answers_for_its_address_lb_does(taken_over):
    lab = taken_over
    with LoadBalancer(lab, dpdk_config(lab, XDP, http="off")) as lb:
        lab.client.run("ip", "neighbor", "flush", "all")
        assert lab.client.run("ping", "-c", "2", "-i", "0.2", lab.lb.address).returncode == 0
        answers = lb.counters()["answers"]
        assert answers["arp"] >= 1 and answers["icmp_echo"] == 2


def test_a_flood_that_is_the_kernels_is_dropped_before_it_costs_lb_its_own_traffic(taken_over):
    lab = taken_over
    config = dpdk_config(lab, XDP, interface={"kernel_interface": "dsr0"})
    with LoadBalancer(lab, config) as lb:
        flood = lab.client.popen("ping", "-f", "-q", "-s", "32", "-w", "5", lab.lb.address)
        echoes = traffic.udp_echoes(lab.client, lab.vip, 1000)
        flood.wait(60)
        assert echoes["lost"] == 0
        assert interfaces(lb)[0]["kernel_interface"]["to_kernel"] > 1000


def test_the_kernels_own_interface_is_left_alone_where_it_shares_the_frames(prepared_lab):
    lab = prepared_lab
    config = dpdk_config(lab, interface={"kernel_interface": "dsr0"})
    sentence, status = refused(lab, config)
    assert "kernel_interface" in sentence and "'eth0'" in sentence
    assert status == 1
    with LoadBalancer(lab, dpdk_config(lab)) as lb:
        assert lab.client.run("ping", "-c", "2", "-i", "0.2", lab.lb.address).returncode == 0
        assert lb.counters()["answers"]["icmp_echo"] == 0


# -- what goes wrong -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("device, change, words, status", [
    ("net_nul0", {}, ["'net_nul0'", "net_af_packet", "net_memif"], 2),
    ("net_af_packet0,iface=absent0", {}, ["'absent0'"], 1),
    ("net_null0,nonsense=1", {}, ["net_null0,nonsense=1", "cannot be opened"], 1),
    ("0000:ff:1f.7", {}, ["'0000:ff:1f.7'", "lb doctor"], 1),
    ("net_virtio_user0,path=/nowhere", {}, ["net_virtio_user0", "No such file"], 1),
    (None, {"interface": {"mac": "02:00:00:00:00:99"}}, ["02:00:00:00:00:99", "02:00:0a:00:00:02"], 1),
    (None, {"interface": {"mtu": 9000}}, ["9000", "1500"], 1),
    ("net_null0", {"dpdk": {"huge_pages": "none", "cores": [1023]}}, ["core 1023"], 1),
    ("net_null0", {"dpdk": {"huge_pages": "none", "eal_args": ["--nonsense"]}}, ["--nonsense", "unrecognized option"], 1),
    ("net_null0", {"dpdk": {"huge_pages": "none", "memory": 64}, "interface": {"mtu": 16000}}, ["memory", "dpdk.memory"], 1),
], ids=lambda value: value if isinstance(value, str) else None)
def test_a_device_or_setting_that_cannot_work_is_named_in_a_sentence(prepared_lab, device, change, words, status):
    sentence, code = refused(prepared_lab, with_fixed_servers(dpdk_config(prepared_lab, device, **change)))
    assert all(word in sentence for word in words), sentence
    assert code == status
    assert left_in_run(prepared_lab) == []
    assert "dsr-vip" not in prepared_lab.lb.ip("link")


def test_lb_check_refuses_an_unknown_device_too(prepared_lab):
    path = write_config(prepared_lab, dpdk_config(prepared_lab, "net_nul0"), "check.yaml")
    done = prepared_lab.lb.run(program("lb"), "check", "--config", path, check=False)
    assert done.returncode == 2 and "'net_nul0'" in done.stderr


def test_a_device_that_vanishes_is_named_and_traffic_on_the_other_goes_on(prepared_lab):
    lab = prepared_lab
    lab.lb.ip("link add gone0 type veth peer name gone1")
    lab.lb.ip("link set gone1 up")
    lab.lb.ip("link set gone0 address 02:00:00:00:09:09 up")
    config = dpdk_config(lab)
    config["load_balancer"]["interfaces"].append(
        {"name": "other", "device": "net_af_packet1,iface=gone0", "address": "10.9.0.2/24", "mac": "02:00:00:00:09:09", "mtu": 1500})
    with LoadBalancer(lab, config) as lb:
        lab.lb.ip("link set gone1 down")
        wait_until(lambda: "'other'" in lb.log() and "has no link" in lb.log(), "the lost link is said")
        lab.lb.ip("link set gone1 up")
        wait_until(lambda: "has its link" in lb.log(), "and that it is back")
        lab.lb.ip("link delete gone0")
        wait_until(lambda: "has vanished" in lb.log(), "the loss of the device is said")
        assert [entry["link"] for entry in interfaces(lb)] == ["up", "down"]
        assert traffic.http_requests(lab.client, lab.vip, 50)["errors"] == []
        assert lb.log().count("has vanished") == 1
        assert lb.stop() == 0


def test_lb_ends_when_its_only_device_has_vanished(prepared_lab):
    lab = prepared_lab
    lab.lb.ip("link add gone0 type veth peer name gone1")
    lab.lb.ip("link set gone0 address 02:00:0a:00:00:02 up")
    config = with_fixed_servers(dpdk_config(lab, "net_af_packet0,iface=gone0"))
    with LoadBalancer(lab, config) as lb:
        lab.lb.ip("link delete gone0")
        assert lb.process.wait(10) == 1
        assert "vanished" in lb.log()


# -- memory --------------------------------------------------------------------------------------------------------------

HUGE = "/sys/kernel/mm/hugepages/hugepages-2048kB"


@pytest.fixture
def huge_pages():
    """Reserves 256 huge pages; gives them back."""
    def free():
        with open(f"{HUGE}/free_hugepages", encoding="ascii") as file:
            return int(file.read())

    def reserve(count):
        with open(f"{HUGE}/nr_hugepages", "w", encoding="ascii") as file:
            file.write(str(count))

    with open(f"{HUGE}/nr_hugepages", encoding="ascii") as file:
        before = int(file.read())
    reserve(before + 256)
    try:
        if free() < 128:
            pytest.skip("this machine has no 256 MiB left for huge pages")
        yield free
    finally:
        reserve(before)


def test_huge_pages_are_used_where_they_are_free_and_given_back_also_after_sigkill(prepared_lab, huge_pages):
    lab = prepared_lab
    free = huge_pages()
    config = with_fixed_servers(dpdk_config(lab, "net_null0", dpdk={"huge_pages": "auto"}))
    for end in (LoadBalancer.stop, LoadBalancer.kill):
        with LoadBalancer(lab, config) as lb:
            assert huge_pages() < free, "huge pages are in use"
            end(lb)
        wait_until(lambda: huge_pages() == free, "all of them are free again")
    with LoadBalancer(lab, with_fixed_servers(dpdk_config(lab, "net_null0"))):
        assert huge_pages() == free, "huge_pages: none takes none"
