"""lb's life on a host: ready means ready, the end leaves nothing behind, and the kernel beside it keeps quiet."""

import subprocess

import pytest
from scapy.all import ICMP, IP, TCP, Ether, Raw

from lab import traffic, wait_until
from lab.capture import Capture
from lab.programs import LoadBalancer, pcap_only
from lab.traffic import UdpProber

TUN = "dsr-vip"
ROUTE_PROTOCOLS = ("77", "78")  # active, draining

on_flat = pytest.mark.parametrize("prepared_lab", ["flat"], indirect=True)
on_both = pytest.mark.parametrize("prepared_lab", ["flat", "two-interface"], indirect=True)


def announcement(host):
    """What lb has put into the kernel: the TUN device, and the routes with a protocol number of its own."""
    routes = [route for protocol in ROUTE_PROTOCOLS
              for route in host.ip(f"route show table all proto {protocol}").splitlines()]
    devices = [link["ifname"] for link in host.ip_json("link show") if link["ifname"] == TUN]
    return devices, routes


def assert_nothing_left(host):
    wait_until(lambda: announcement(host) == ([], []), f"device and routes of lb are gone: {announcement(host)}", timeout=3)


def let_run(lb, seconds):
    """Lets start-up go on for that long, or until lb has ended by itself."""
    try:
        lb.process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass


def socket_exists(lb):
    return lb.host.run("test", "-e", lb.config["load_balancer"]["control_socket"], check=False).returncode == 0


@on_both
def test_a_running_lb_holds_a_link_scope_route_for_the_vip_and_never_the_address(prepared_lab, lb):
    devices, routes = announcement(prepared_lab.lb)
    assert devices == [TUN]
    assert len(routes) == 1
    assert routes[0].startswith(f"{prepared_lab.vip} dev {TUN}")
    assert "scope link" in routes[0]
    assert prepared_lab.vip not in prepared_lab.lb.ip("-4 address show")


@on_both
def test_sigterm_is_orderly_exit_0_and_nothing_left(prepared_lab):
    with LoadBalancer(prepared_lab) as lb:
        assert announcement(prepared_lab.lb) != ([], [])
        assert socket_exists(lb)
        assert lb.stop() == 0
        assert_nothing_left(prepared_lab.lb)
        assert not socket_exists(lb)


@on_flat
def test_sigkill_withdraws_the_vip_too_and_lb_starts_again_over_the_stale_socket(prepared_lab):
    with LoadBalancer(prepared_lab) as lb:
        assert announcement(prepared_lab.lb) != ([], [])
        lb.kill()
        assert_nothing_left(prepared_lab.lb)
    with LoadBalancer(prepared_lab):
        assert traffic.http_requests(prepared_lab.client, prepared_lab.vip, 20)["errors"] == []


@on_flat
def test_sigterm_during_start_up_never_leaves_anything(prepared_lab):
    with LoadBalancer(prepared_lab) as lb:
        start_up = lb.ready_at - lb.launched_at
    for step in range(25):  # from "just started" to "certainly ready"
        lb = LoadBalancer(prepared_lab).launch()
        try:
            let_run(lb, seconds=1.5 * start_up * step / 24)
            status = lb.stop()
            assert status in (0, -15), lb.log()  # -15: the signal came before lb had a handler
        finally:
            lb.__exit__(None, None, None)
        assert_nothing_left(prepared_lab.lb)
        assert status != 0 or not socket_exists(lb), f"{step}: the control socket is left"


@on_both
@pytest.mark.parametrize("attempt", range(3))
def test_from_ready_on_every_probe_is_answered(prepared_lab, attempt):
    """The client knows lb's MAC beforehand: what is tested is lb, not how often a client repeats an ARP request."""
    lab, client = prepared_lab, prepared_lab.client
    client.ip(f"neighbor replace {lab.vip} lladdr {lab.lb.mac} dev eth0 nud permanent")
    prober = UdpProber(client, lab.vip)
    with LoadBalancer(lab) as lb:
        launched, ready = lb.launched_at, lb.ready_at
        first = traffic.http_requests(client, lab.vip, 200, concurrency=4)
        probes = prober.finish()
        assert first["errors"] == []
        assert first["slowest"] < 0.9, "a SYN was lost: the client sends it again after 1 s"
    client.ip(f"neighbor del {lab.vip} dev eth0")
    before = [answered for when, answered in probes if when < launched]
    after = [(when - ready, answered) for when, answered in probes if when > ready]
    assert len(before) >= 10
    assert not any(before), "answered without lb: the prober proves nothing"
    assert len(after) >= 20
    assert [seconds for seconds, answered in after if not answered] == []


@on_both
@pytest.mark.parametrize("ip_forward", [0, 1])
def test_the_kernel_beside_lb_is_quiet_about_the_vip(prepared_lab, ip_forward):
    lab = prepared_lab
    lan = lab.lb.link_on("lan").mac
    lab.lb.sysctl("net.ipv4.ip_forward", ip_forward)
    answers = {}
    with (LoadBalancer(lab),
          Capture(lab.client, "eth0", f"icmp or (ip src host {lab.vip}) or (ether src {lab.lb.mac} and ip)") as at_client,
          Capture(lab["s1"], "eth0", f"icmp or (ip dst host {lab.vip})") as at_s1,
          Capture(lab["s2"], "eth0", f"icmp or (ip dst host {lab.vip})") as at_s2):
        answers["udp"] = traffic.udp_echoes(lab.client, lab.vip, 1000)
        answers["http"] = traffic.http_requests(lab.client, lab.vip, 100)
        refused = traffic.http_requests(lab.client, lab.vip, 3, port=81)  # of no service: nobody may answer for the VIP
    lab.lb.sysctl("net.ipv4.ip_forward", 0)
    assert answers["udp"]["answered"] == 1000
    assert answers["http"]["errors"] == []
    assert len(refused["errors"]) == 3

    assert [packet.summary() for packet in (*at_client.packets, *at_s1.packets, *at_s2.packets) if ICMP in packet] == []
    assert [packet.summary() for packet in at_client.packets if TCP in packet and "R" in packet[TCP].flags] == []
    assert [packet.summary() for packet in at_client.packets if packet[Ether].src == lab.lb.mac] == []

    requests = [packet for packet in (*at_s1.packets, *at_s2.packets) if IP in packet and packet[IP].dst == lab.vip]
    assert {packet[Ether].src for packet in requests} == {lan}
    assert {packet[IP].ttl for packet in requests} == {64}, "the TTL is the client's: nobody routed these packets"
    numbers = [bytes(packet[Raw])[:4] for packet in requests if packet[IP].proto == 17]
    assert len(numbers) == len(set(numbers)) == 1000, "each datagram reaches one server, once"


@on_flat
@pcap_only  # the ring of net_af_packet does not tell
def test_frames_that_the_queueing_discipline_refuses_are_counted_and_stop_nothing(prepared_lab):
    """A token bucket with less room than a frame refuses it for ever; smaller ones still pass, and SIGTERM still ends lb."""
    lab = prepared_lab
    with LoadBalancer(lab) as lb:
        lab.lb.run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "100mbit", "burst", "1200", "latency", "50ms")
        try:
            lab.client.run("/usr/bin/python3", "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(bytes(1300), ("{lab.vip}", 7000))
""")
            wait_until(lambda: lb.counters()["dropped"].get("transmit_failed") == 1, "the large frame is counted as lost")
            assert lab.client.run("curl", "-sS", "--max-time", "5", f"http://{lab.vip}/").stdout.strip() in ("s1", "s2")
            assert lb.stop() == 0
        finally:
            lab.lb.run("tc", "qdisc", "delete", "dev", "eth0", "root")
