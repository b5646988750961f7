"""The lab keeps its own promises: without these, the other tests of this directory could pass or fail for no reason."""

import hashlib
import os
import signal
import subprocess
import sys

import pytest
from scapy.all import IP, TCP, Ether

from lab import Lab, flat, traffic, wait_until
from lab.capture import Capture
from lab.guard import namespaces
from lab.services import UDP_PORT, large_body
from lab.udp_load import payload

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def test_every_host_reaches_every_server_and_the_far_client_does_so_through_the_router(routed_lab):
    for host in (*routed_lab.clients, routed_lab.lb):
        for server in routed_lab.servers:
            answer = host.run("ping", "-c1", "-W2", server.address).stdout
            assert f"ttl={63 if host.name == 'far' else 64}" in answer


def test_the_two_sides_of_a_two_interface_lb_are_different_segments(two_interface_lab):
    lab = two_interface_lab
    assert "ttl=64" in lab.lb.run("ping", "-c1", "-W2", lab["s1"].address).stdout
    assert "ttl=64" in lab.lb.run("ping", "-c1", "-W2", lab.client.address).stdout
    assert "ttl=63" in lab.client.run("ping", "-c1", "-W2", lab["s1"].address).stdout


def test_the_servers_of_layer3_are_on_lbs_segment_and_a_router_away_from_it(layer3_lab):
    lab = layer3_lab
    for host, hops in ((lab.lb, (0, 1, 1)), (lab.client, (0, 1, 1)), (lab["far"], (1, 1, 1))):
        for server, routers in zip(lab.servers, hops, strict=True):
            assert f"ttl={64 - routers}" in host.run("ping", "-c1", "-W2", server.address).stdout


def test_hosts_have_kernel_defaults_and_their_own_name_run_and_etc(flat_lab):
    s1, s2 = flat_lab.servers
    assert s1.run("hostname").stdout == "s1\n"
    assert [s1.conf(where, "rp_filter") for where in ("all", "default", "lo", "eth0")] == ["0"] * 4
    assert s1.conf("eth0", "arp_ignore") == s1.conf("eth0", "arp_announce") == "0"
    for path in ("/run/dsr-mark", "/etc/dsr-mark", "/var/dsr-mark"):
        s1.run("touch", path)
        assert s2.run("test", "-e", path, check=False).returncode == 1
        assert not os.path.exists(path)


def test_nginx_serves_its_name_a_large_file_and_keeps_uploads(flat_lab):
    lab, s1 = flat_lab, flat_lab["s1"]
    assert traffic.http_requests(lab.client, s1.address, 20)["answers"] == {"s1": 20}
    assert traffic.download(lab.client, s1.address) == ("s1", hashlib.sha256(large_body()).hexdigest())
    body = f"{lab.directory}/body"
    with open(body, "wb") as file:
        file.write(large_body()[: 5 << 20])
    assert traffic.upload(lab.client, s1.address, body, "lab") == "s1"
    assert lab.nginx["s1"].uploaded("lab") == hashlib.sha256(large_body()[: 5 << 20]).hexdigest()


def test_the_echo_service_answers_from_the_address_it_was_asked_at(flat_lab):
    lab, s2 = flat_lab, flat_lab["s2"]
    s2.ip("address add 10.0.0.99/32 dev lo")
    before = traffic.echoed(lab.client, s2)
    result = traffic.udp_echoes(lab.client, "10.0.0.99", 500)
    assert (result["answered"], result["lost"], result["wrong"]) == (500, 0, 0)
    assert result["sources"] == {"10.0.0.99": 500}
    assert traffic.echoed(lab.client, s2) == before + 500
    s2.ip("address del 10.0.0.99/32 dev lo")


def test_udp_load_counts_what_is_not_answered_as_lost(flat_lab):
    lab = flat_lab
    result = traffic.udp_echoes(lab.client, lab["s1"].address, 40, port=UDP_PORT + 1)  # nobody there
    assert result["answered"] == 0
    assert result["lost"] == 40


def test_an_upload_from_a_default_veth_arrives_as_super_frames_with_unfinished_checksums(flat_lab):
    lab, s1 = flat_lab, flat_lab["s1"]
    body = f"{lab.directory}/frames"
    with open(body, "wb") as file:
        file.write(large_body()[: 1 << 20])
    with Capture(s1, "eth0", f"tcp and dst host {s1.address} and greater 100", snaplen=65600) as seen:
        traffic.upload(lab.client, s1.address, body, "frames")
    assert max(len(packet) for packet in seen.packets) > 1514

    def finished(packet):
        fresh = Ether(bytes(packet))
        given = fresh[TCP].chksum
        del fresh[TCP].chksum
        return Ether(bytes(fresh))[TCP].chksum == given

    assert not any(finished(packet) for packet in seen.packets if IP in packet)


def test_payloads_of_udp_load_are_told_apart():
    assert len({payload(number) for number in range(10000)}) == 10000


_OWNER = """
import sys
from lab import Lab, flat
from lab.services import Nginx
with Lab(flat()) as lab:
    Nginx(lab["s1"])
    lab["s2"].popen("sh", "-c", "trap '' TERM; exec sleep infinity")
    print(lab.prefix, lab.directory, flush=True)
    sys.stdin.read()
    raise RuntimeError("the owner fails on purpose")
"""


@pytest.mark.parametrize("end", ["exception", signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_nothing_of_a_lab_is_left_however_its_owner_ends(end):
    with subprocess.Popen([sys.executable, "-c", _OWNER], cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as owner:
        prefix, directory = owner.stdout.readline().split()
        assert len(namespaces(prefix)) == 5  # the four hosts and the switch
        if end == "exception":
            owner.stdin.close()
        else:
            owner.send_signal(end)
        assert owner.wait(30) != 0
    wait_until(lambda: not namespaces(prefix) and not os.path.exists(directory), f"{prefix}* is gone", timeout=20)
    wait_until(lambda: directory not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True,
                                                       check=True).stdout, "no process of the lab is left")


def test_two_labs_at_the_same_time_do_not_meet():
    with Lab(flat()) as one, Lab(flat()) as two:
        assert one.prefix != two.prefix
        one["s1"].ip("link set eth0 down")
        assert one.client.run("ping", "-c1", "-W1", one["s1"].address, check=False).returncode == 1
        assert two.client.run("ping", "-c1", "-W2", two["s1"].address).returncode == 0
