"""The network card works under DPDK in the machine, whatever lb does: shown with DPDK's own test program."""

import re
import sys

import pytest

from vm import PCI_ADDRESS

pytestmark = pytest.mark.timeout(600)  # the fixture that boots included

MEMORY = {"auto": "-m 256", "none": "--no-huge -m 256"}

UDP_FROM_EACH_PORT = """
import socket, sys
for port in range(20000, 20200):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", port))
        s.sendto(b"x", (sys.argv[1], 9))
"""


def start_testpmd(vm, huge_pages, *options, queues=1):
    return vm.popen("testpmd", f"dpdk-testpmd -l 0-{queues} -n 1 {MEMORY[huge_pages]} -a {PCI_ADDRESS} -- --auto-start "
                    f"--nb-cores={queues} --rxq={queues} --txq={queues} --total-num-mbufs=4096 --stats-period=5 "
                    f"--no-mlockall {' '.join(options)}")


def test_testpmd_answers_ping(lab, vm, huge_pages):
    client = lab.client
    testpmd = start_testpmd(vm, huge_pages, "--forward-mode=icmpecho")
    try:
        testpmd.wait_for(lambda: client.run("ping", "-c1", "-W1", vm.link.ip, check=False).returncode == 0,
                         "testpmd answers ping", 90)
        assert client.ip(f"neighbor show {vm.link.ip}").split()[4] == vm.link.mac
        answer = client.run("ping", "-q", "-c20", "-i0.1", "-W5", "-s1472", vm.link.ip).stdout
        assert "20 received" in answer, answer
        assert testpmd.stop() == 0
    finally:
        testpmd.stop()


@pytest.mark.machine("virtio-net-pci", "vfio-pci", 2)
def test_the_card_spreads_flows_over_two_queues(lab, vm, huge_pages):
    client = lab.client
    testpmd = start_testpmd(vm, huge_pages, "--forward-mode=rxonly", queues=2)
    try:
        testpmd.wait_for(lambda: "start packet forwarding" in testpmd.log(), "testpmd forwards", 90)
        client.ip(f"neighbor replace {vm.link.ip} lladdr {vm.link.mac} dev eth0")
        client.run(sys.executable, "-c", UDP_FROM_EACH_PORT, vm.link.ip)
        testpmd.wait_for(lambda: re.search(r"RX-packets: +2[0-9][0-9]\b", testpmd.log()), "the port has received them", 60)
        testpmd.stop()
        per_queue = re.findall(r"RX Port= 0/Queue= (\d).*\n\s+RX-packets: (\d+)", testpmd.log())
        assert len(per_queue) == 2 and all(int(packets) > 50 for _, packets in per_queue), testpmd.log()
    finally:
        testpmd.stop()
        client.ip(f"neighbor flush to {vm.link.ip}")
