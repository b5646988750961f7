"""The interfaces that servers have: serverprep for Layer 3 on a bond, a bridge, a macvlan and a VLAN of the machine."""

import contextlib

import pytest

from lab import wait_until
from prepared_server import assert_served, findings, prepared, served_once

pytestmark = pytest.mark.timeout(300)  # the fixture that boots included

READY_TIMEOUT = 60

# How to make an interface 'top' above eth0, and how to unmake it. The VLAN's switch is in the machine too: nobody in the lab
# can tag.
STACKS = {
    "bond": ("""ip link add top type bond mode active-backup
                ip link set eth0 down; ip link set eth0 master top""",
             "ip link delete top"),
    "bridge": ("ip link add top type bridge; ip link set top address {mac}; ip link set eth0 master top",
               "ip link delete top"),
    "macvlan": ("ip link add top link eth0 address {another_mac} type macvlan mode bridge",
                "ip link delete top"),
    "vlan": ("""ip netns add switch
                ip link set eth0 netns switch
                ip -n switch link set eth0 address {another_mac}
                ip link add trunk address {mac} type veth peer name port netns switch
                ip link add top link trunk type vlan id 5
                ip link set trunk up
                ip -n switch -batch - <<END
                link add switch type bridge vlan_filtering 1
                link set eth0 master switch up
                link set port master switch up
                link set switch up
END
                bridge -n switch vlan add dev eth0 vid 5 pvid untagged
                bridge -n switch vlan add dev port vid 5""",
             """ip link delete trunk
                ip -n switch link set eth0 nomaster
                ip -n switch link set eth0 address {mac}
                ip -n switch link set eth0 netns 1
                ip netns delete switch"""),
}


@contextlib.contextmanager
def address_on_top(lab, server, kind):
    """eth0's address and gateway move to the interface 'top'."""
    link, gateway = server.node.links[0], server.node.gateway
    make, unmake = (text.format(mac=server.mac, another_mac="02:00:0a:00:00:1b") for text in STACKS[kind])

    def move(script, interface):
        server.run(f"""
            set -e
            {script}
            if [ -e /sys/class/net/eth0 ]; then ip link set eth0 up; fi
            ip link set {interface} up
            ip address add {link.address} brd + dev {interface}
            ip route add default via {gateway}
        """)
        for host in lab.lb, lab["router"], lab.client:
            host.ip(f"neighbor flush to {server.address}")
    before = server.run("ip -4 address show eth0 | grep inet; ip route").stdout
    move(f"ip address flush dev eth0\n{make}", "top")
    try:
        yield
    finally:
        move(unmake, "eth0")
    assert server.run("ip -4 address show eth0 | grep inet; ip route").stdout == before


@pytest.mark.parametrize("kind", STACKS)
def test_an_interface_on_top_of_another_is_served_by(server_lab, pool_server, lb, kind):
    lab, server = server_lab, pool_server
    with address_on_top(lab, server, kind):
        lb.stop()  # else it would send to the MAC address that it knows for up to a minute
        lb.start()
        for options in (), ("--interface", "top", "--decap", "ipip"), ("--interface", "top", "--decap", "bpf"):
            with prepared(lab, server, *options) as outcome:
                assert outcome.json["interface"] == "top"
                assert findings(lab, server, *options) == []
                wait_until(lambda: served_once(lab), "lb knows the server's MAC address", READY_TIMEOUT)
                assert_served(lab, server, 3)
