"""What is broken on purpose on a server with the kernel's tunnel, on Debian's kernel: named alone by `serverprep --check`, and
mended by the command it prints and by --fix."""

import contextlib

import pytest
from scapy.layers.inet import TCP

from lab.capture import Capture
from prepared_server import (DEVICE, assert_served, findings, findings_in, fix_of, prepared, served_once, serverprep, upload)

pytestmark = pytest.mark.timeout(300)  # the fixture that boots included

MSS, MSS_WITH_ROOM = 1460, 1440  # with an MTU of 1500; the latter for another header of 20 bytes

FILTER = "/proc/sys/net/ipv4/conf/{device}/rp_filter"

# (how to break it, what --check says, whether requests are served all the same)
FAULTS = {
    "tunnel is down": ("ip link set {device} down", ["tunnel-down"], False),
    "tunnel is gone": ("ip link delete {device}", ["tunnel-down"], False),
    "no address, rp_filter 2": ("ip address flush dev {device}", ["tunnel-address"], False),
    # Two things are wrong then: with one of them mended nothing comes through yet.
    "no address, rp_filter 1": ("ip address flush dev {device}; echo 1 > " + FILTER, ["rp-filter", "tunnel-address"], False),
    "strict rp_filter": ("echo 1 > " + FILTER, ["rp-filter"], False),
    "guard is gone": ("tc filter delete dev {device} ingress", ["decap-open"], True),
    "guard is gone with its qdisc": ("tc qdisc delete dev {device} clsact", ["decap-open"], True),
    "tunl0 is up": ("ip link set tunl0 up", ["decap-open"], True),
    "clamp is gone": ("tc filter delete dev eth0 egress", ["mss"], True),
    "VIP is gone": ("ip address delete {vip}/32 dev lo", ["vip-missing"], False),
}


@pytest.fixture(scope="module")
def server(server_lab, pool_server, lb):
    """Prepared, for all tests here."""
    with prepared(server_lab, pool_server):
        yield pool_server


@contextlib.contextmanager
def mended(lab, server):
    """So that one failure is not those of all tests that follow."""
    try:
        yield
    except BaseException:
        server.run("ip link set tunl0 down", check=False)
        serverprep(lab, server)
        raise


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_alone_and_each_way_to_mend_it_does(server_lab, server, fault):
    lab = server_lab
    how, names, is_served = FAULTS[fault]
    with mended(lab, server):
        for way in "the command that is printed", "--fix":
            server.run(how.format(device=DEVICE, vip=lab.vip))
            outcome = serverprep(lab, server, "--check")
            assert findings_in(outcome) == names, outcome
            assert served_once(lab, lab["far"], patience=1) == is_served
            for name in names:
                if way == "--fix" and fault == "tunl0 is up":  # somebody else's
                    assert serverprep(lab, server, "--fix", name).status == 1
                    server.run(fix_of(outcome, name))
                elif way == "--fix":
                    fixed = serverprep(lab, server, "--fix", name)
                    assert fixed.status == 0, fixed
                else:
                    server.run(fix_of(outcome, name))
            assert findings(lab, server) == [], way
            assert_served(lab, server, 1)


def advertised_mss(lab):
    """In the SYN-ACK that the client gets."""
    with Capture(lab.client, filter="tcp[tcpflags] == tcp-syn|tcp-ack") as seen:
        assert served_once(lab)
    return {value for packet in seen.packets for name, value in packet[TCP].options if name == "MSS"}


def test_the_mss_leaves_room_so_that_an_upload_needs_no_icmp_and_without_the_clamp_it_does_not(server_lab, server):
    lab = server_lab
    with mended(lab, server):
        for host in lab.clients:
            host.ip("route flush cache")
        assert advertised_mss(lab) == {MSS_WITH_ROOM}
        with Capture(lab.client, filter="icmp") as seen:
            upload(lab, server)
        assert len(seen.packets) == 0
        server.run(FAULTS["clamp is gone"][0])
        assert advertised_mss(lab) == {MSS}
        assert serverprep(lab, server, "--fix", "mss").status == 0
