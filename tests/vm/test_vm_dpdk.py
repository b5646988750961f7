"""lb with driver dpdk on a PCI device, between a client and servers that are namespaces of the lab: real traffic by Layer 2
DSR, and the machine's kernel behind lb's kernel interface."""

import json

import pytest
import yaml

from lab import traffic, wait_until
from lab.accounts import conserves, service
from lab.programs import verify
from lab.services import HTTP_PORT
from vm import PCI_ADDRESS

pytestmark = pytest.mark.timeout(900)  # the fixture that boots included

CONFIG_PATH = "/run/dsr.yaml"
SOCKET = "/run/dsr/lb.sock"
KERNEL_INTERFACE = "dsr0"
READY_TIMEOUT = 120  # s; some 5 when nothing else runs


def lb_config(lab, vm, huge_pages, workers=1, kernel_interface=True):
    interface = {"name": "eth0", "device": PCI_ADDRESS, "address": vm.link.address, "mac": vm.link.mac, "mtu": 1500}
    if kernel_interface:
        interface["kernel_interface"] = KERNEL_INTERFACE
    return {
        "load_balancer": {
            "driver": "dpdk",
            "dpdk": {"huge_pages": huge_pages, "memory": 256},
            "interfaces": [interface],
            "workers": workers,
            "control_socket": SOCKET,
        },
        "network_profiles": [{"name": "l2", "type": "tcp_fast_path", "dsr_profile": {"dsr_type": "l2"}}],
        "pools": [{
            "name": "servers",
            "servers": [{"address": server.address} for server in lab.servers],
            # Slow, as the machine is: a check that is late here says nothing of lb.
            "health_monitor": {"type": "tcp", "interval": 3, "timeout": 3, "rise": 1, "fall": 5},
        }],
        "virtual_services": [{"name": "web", "vip": lab.vip, "ports": [HTTP_PORT], "network_profile": "l2", "pool": "servers"}],
    }


class Balancer:
    """`lb run` in the machine."""

    def __init__(self, vm, config):
        self.vm = vm
        vm.write(CONFIG_PATH, yaml.safe_dump(config))
        self.process = vm.popen("lb", f"lb run --config {CONFIG_PATH}")

    def wait_ready(self):
        """Until every server can get flows. Fails with lb's log when lb ends, or is late."""
        self.process.wait_for(lambda: self.vm.run(f"test -S {SOCKET}", check=False).returncode == 0, "lb is there", READY_TIMEOUT)
        self.process.wait_for(self._every_server_is_known, "every server has a share and a MAC address", READY_TIMEOUT)
        return self

    def _every_server_is_known(self):
        done = self.command("show servers --json", check=False)
        return done.returncode == 0 and all(server["slots"] and server["mac"] for server in json.loads(done.stdout))

    def command(self, words, check=True):
        return self.vm.run(f"lb {words} --socket {SOCKET}", check=check)

    def counters(self):
        return json.loads(self.command("show counters --json").stdout)


def start(lab, vm, huge_pages, **options):
    lab.client.run("ip", "neighbor", "flush", "dev", "eth0")
    return Balancer(vm, lb_config(lab, vm, huge_pages, **options))


@pytest.fixture
def lb(lab, vm, huge_pages):
    balancer = start(lab, vm, huge_pages)
    try:
        yield balancer.wait_ready()
    finally:
        balancer.process.stop()


def mac_of(client, address):
    """Whom the client's kernel takes for this address now, None when nobody answered."""
    client.run("ip", "neighbor", "flush", "to", address)
    client.run("ping", "-c1", "-W2", address, check=False)
    entry = client.ip_json(f"neighbor show {address}")
    return entry[0].get("lladdr") if entry else None


def kernel_echo_requests(vm):
    """How many the machine's kernel has received."""
    names, values = (line.split() for line in vm.read("/proc/net/snmp").splitlines() if line.startswith("Icmp:"))
    return int(values[names.index("InEchos")])


def assert_served_by_all(lab, requests):
    result = traffic.http_requests(lab.client, lab.vip, requests)
    assert result["errors"] == []
    assert sum(result["answers"].values()) == requests
    assert sorted(result["answers"]) == sorted(server.name for server in lab.servers)


def test_requests_are_served_and_the_replies_go_round_lb(lab, lb):
    assert_served_by_all(lab, 200)
    counters = lb.counters()
    assert service(counters, "web")["packets"] >= 600  # SYN, ACK and request of each
    assert service(counters, "web")["return_packets"] == 0
    wait_until(lambda: conserves(lb.counters()), "received = forwarded + answered + passed + dropped", 30, interval=0.2)
    outcome = verify(lab.client, "--vip", f"{lab.vip}:{HTTP_PORT}")
    assert outcome.refuted() == {}, outcome
    proved = {name for name, _ in outcome.claims("proved")}
    assert {"answered", "source-is-vip", "bypasses-lb", "only-lb-answers-arp"} <= proved, outcome


def test_an_upload_of_full_size_frames_arrives_whole(lab, lb):
    path = f"{lab.directory}/body"
    with open(path, "wb") as file:
        file.write(bytes(range(256)) * 4096)  # 1 MB
    server = traffic.upload(lab.client, lab.vip, path, "body")
    assert server in lab.topology.servers


def test_arp_for_the_vip_is_answered_with_the_cards_address(lab, vm, lb):
    assert mac_of(lab.client, lab.vip) == vm.link.mac


def test_show_tells_what_runs(lab, vm, lb):
    assert_served_by_all(lab, 50)
    servers = json.loads(lb.command("show servers --json").stdout)
    assert {entry["address"]: entry["mac"] for entry in servers} == {server.address: server.mac for server in lab.servers}
    interface, = json.loads(lb.command("show interfaces --json").stdout)
    assert (interface["mac"], interface["address"].split("/")[0]) == (vm.link.mac, vm.link.ip)
    assert lb.counters()["forwarded"] > 0


def test_the_kernel_behind_the_kernel_interface_answers_for_lbs_own_address(lab, vm, lb):
    """ping, and TCP with more than a packet, to lb's own address; both while the VIP is served."""
    before = kernel_echo_requests(vm)
    answer = lab.client.run("ping", "-q", "-c20", "-i0.1", "-W5", vm.link.ip).stdout
    assert "20 received" in answer, answer
    assert kernel_echo_requests(vm) >= before + 20, "somebody else than the kernel has answered"
    assert mac_of(lab.client, vm.link.ip) == vm.link.mac

    vm.run("mkdir -p /run/www; head -c 1000000 /dev/zero > /run/www/body")
    httpd = vm.popen("httpd", f"httpd -f -p {vm.link.ip}:8080 -h /run/www")
    try:
        def body():
            return lab.client.run("curl", "-sS", "--fail", "--max-time", 60, f"http://{vm.link.ip}:8080/body", check=False,
                                  timeout=90).stdout
        assert len(httpd.wait_for(body, "the machine's own HTTP server answers", 120)) == 1000000
    finally:
        httpd.stop()
    assert_served_by_all(lab, 50)


def test_sigterm_ends_in_order_and_lb_can_start_again(lab, vm, huge_pages, lb):
    assert lb.process.stop() == 0, lb.process.log()
    assert vm.run(f"test -e {SOCKET}", check=False).returncode != 0
    assert KERNEL_INTERFACE not in vm.run("ip link").stdout
    assert mac_of(lab.client, lab.vip) is None
    again = start(lab, vm, huge_pages)
    try:
        again.wait_ready()
        assert_served_by_all(lab, 50)
    finally:
        again.process.stop()


def test_without_a_kernel_interface_lb_answers_for_its_own_address(lab, vm, huge_pages):
    balancer = start(lab, vm, huge_pages, kernel_interface=False)
    try:
        balancer.wait_ready()
        assert mac_of(lab.client, vm.link.ip) == vm.link.mac
        assert_served_by_all(lab, 50)
    finally:
        balancer.process.stop()


def _two_workers_serve(lab, vm, huge_pages):
    balancer = start(lab, vm, huge_pages, workers=2)
    try:
        balancer.wait_ready()
        assert_served_by_all(lab, 200)
        assert service(balancer.counters(), "web")["packets"] >= 600
    finally:
        balancer.process.stop()


@pytest.mark.machine("virtio-net-pci", "vfio-pci", 2)
def test_two_workers_on_a_card_with_two_queues(lab, vm, huge_pages):
    _two_workers_serve(lab, vm, huge_pages)


@pytest.mark.machine("e1000e", "uio_pci_generic", 1)
def test_two_workers_on_a_card_with_one_queue(lab, vm, huge_pages):
    _two_workers_serve(lab, vm, huge_pages)


@pytest.mark.machine("virtio-net-pci", "uio_pci_generic", 1)
def test_uio_without_huge_pages_is_refused_with_the_reason(lab, vm, huge_pages):
    """DPDK itself finds no device then, and says nothing that an operator could act upon."""
    balancer = start(lab, vm, "none")
    try:
        status = balancer.process.wait(READY_TIMEOUT)
        log = balancer.process.log()
        assert status not in (0, 2), log  # the file is right, this host is not
        assert "huge" in log and PCI_ADDRESS in log, log
    finally:
        balancer.process.stop()
