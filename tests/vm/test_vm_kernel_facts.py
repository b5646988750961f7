"""What Debian's kernel does with IP-in-IP, shown by `ip` alone: the facts that serverprep's Layer 3 stands on. No serverprep
here; when one of these fails, a newer kernel is different. README.md has them as a table."""

import copy
import hashlib
import itertools
import os

import pytest
from scapy.all import ICMP, IP, Raw, fragment

from lab import traffic, wait_until

from decap_program import compiled_for

pytestmark = pytest.mark.timeout(300)  # the fixture that boots included

DEVICE = "dsr-ipip0"
BODY_SIZE = 1 << 20
ECHO_REPLY, UNREACHABLE = 0, 3
PROTOCOL_UNREACHABLE, PORT_UNREACHABLE = 2, 3

every_client = pytest.mark.parametrize("client", ["client", "far"])


@pytest.fixture
def server(server_lab, pool_server):
    """The machine with the VIP, quiet about it, and without the module ipip; afterwards as it was."""
    # Few scripts of many lines: a round trip takes a quarter of a second.
    before = pool_server.run(f"""
        rmmod ipip; rmmod tunnel4
        cd /proc/sys/net/ipv4/conf/all
        echo 1 > arp_ignore; echo 2 > arp_announce
        ip address add {server_lab.vip}/32 dev lo scope host
        ip -4 address
    """).stdout
    yield pool_server
    after = pool_server.run(f"""
        rmmod ipip
        ip -4 address
        ip address delete {server_lab.vip}/32 dev lo
        cd /proc/sys/net/ipv4/conf/all
        echo 0 > arp_ignore; echo 0 > arp_announce
    """).stdout
    assert after == before


def add_tunnel(lab, server, rp_filter, address=None):
    """The tunnel from lb alone. `address`: what `ip address add` shall add to it."""
    server.run(f"""
        set -e
        ip link add {DEVICE} type ipip local {server.address} remote {lab.lb.address}
        echo {rp_filter} > /proc/sys/net/ipv4/conf/{DEVICE}/rp_filter
        ip link set {DEVICE} up
        {f"ip address add {address} dev {DEVICE}" if address else ""}
    """)


def own_address(server):
    """Of the tunnel: a copy of the server's own."""
    return f"{server.address}/32 scope host"


identifications = itertools.count(1)


def tunnelled_ping(lab, server, outer_source, inner_destination=None, size=8):
    """An echo request in IP-in-IP, whose answer the host `client` gets."""
    inner = IP(src=lab.client.address, dst=inner_destination or lab.vip) / ICMP(id=next(identifications)) / Raw(bytes(size))
    return IP(src=outer_source, dst=server.address, proto=4, id=next(identifications)) / inner


def answer(lab, packet, at=None):
    """What `at` (the client) gets for a packet that it sends with any source: (ICMP type, code, from whom)."""
    message, = traffic.icmp_answers(at or lab.client, [packet])
    message = IP(message)
    return message[ICMP].type, message[ICMP].code, message.src


def dropped_by_rp_filter(server):
    names, values = (line.split() for line in server.run("grep ^TcpExt: /proc/net/netstat").stdout.splitlines())
    return int(values[names.index("IPReversePathFilter")])


def lookup(lab, server, source, destination=None):
    """`ip route get` as for a packet that came out of the tunnel. CompletedProcess."""
    return server.run(f"ip route get {destination or lab.vip} from {source} iif {DEVICE}", check=False)


def is_local(lab, server, source):
    return lookup(lab, server, source).stdout.startswith(f"local {lab.vip} ")


def local_routes(server):
    return server.run("ip route show table local; ip route").stdout


# -- a tunnel device of one's own --------------------------------------------------------------------------------------


@every_client
def test_a_tunnel_with_the_servers_own_address_takes_what_lb_sends_under_rp_filter_2(server_lab, server, lb, client):
    lab = server_lab
    add_tunnel(lab, server, rp_filter=2, address=own_address(server))
    result = traffic.http_requests(lab[client], lab.vip, 100)
    assert (result["errors"], result["answers"]) == ([], {server.name: 100})
    assert traffic.download(lab[client], lab.vip) == (server.name, server.sha256(server.large_file))
    body = os.urandom(BODY_SIZE)
    path = f"{lab.directory}/body"
    with open(path, "wb") as file:
        file.write(body)
    assert traffic.upload(lab[client], lab.vip, path, client) == server.name
    assert server.uploaded(client) == hashlib.sha256(body).hexdigest()


def test_outer_fragments_are_reassembled_in_either_order(server_lab, server):
    lab = server_lab
    add_tunnel(lab, server, rp_filter=2, address=own_address(server))
    for backwards in False, True:
        packet = IP(bytes(tunnelled_ping(lab, server, lab.lb.address, size=2000)))
        fragments = fragment(packet, fragsize=800)
        assert len(fragments) == 3
        echo, = traffic.icmp_answers(lab.client, fragments[::-1] if backwards else fragments)
        assert (IP(echo)[ICMP].type, len(IP(echo)[Raw])) == (ECHO_REPLY, 2000)


def test_what_is_for_another_address_than_the_vip_is_delivered_too(server_lab, server):
    """So that who may send to the tunnel reaches every port of the server, from any source address."""
    add_tunnel(server_lab, server, rp_filter=2, address=own_address(server))
    packet = tunnelled_ping(server_lab, server, server_lab.lb.address, inner_destination=server.address)
    assert answer(server_lab, packet) == (ECHO_REPLY, 0, server.address)


def test_a_filter_at_the_tunnels_ingress_sees_the_inner_header_first(server_lab, server):
    """There is no link header in front of it, as there is on eth0."""
    add_tunnel(server_lab, server, rp_filter=2, address=own_address(server))
    first_byte_is_0x45 = "4,48 0 0 0,21 0 1 69,6 0 0 4294967295,6 0 0 0"
    server.run(f"""
        set -e
        tc qdisc add dev {DEVICE} clsact
        tc filter add dev {DEVICE} ingress pref 1 protocol ip bpf bytecode '{first_byte_is_0x45}' action ok
        tc filter add dev {DEVICE} ingress pref 2 matchall action drop
    """)
    packet = tunnelled_ping(server_lab, server, server_lab.lb.address)
    assert answer(server_lab, packet) == (ECHO_REPLY, 0, server_lab.vip)
    server.run(f"tc filter delete dev {DEVICE} ingress pref 1")
    traffic.send_raw(server_lab.client, [packet])
    wait_until(lambda: server.run(f"tc -json -s filter show dev {DEVICE} ingress | grep -q '\"drops\":1[,}}]'",
                                  check=False).returncode == 0, "the next filter has dropped it", interval=0.2)


# -- rp_filter ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rp_filter", [1, 2])
def test_a_tunnel_without_an_address_drops_everything_and_the_route_lookup_fails_with_exdev(server_lab, server, rp_filter):
    lab = server_lab
    add_tunnel(lab, server, rp_filter)
    for client in lab.clients:
        done = lookup(lab, server, client.address)
        assert (done.returncode, done.stderr.strip()) == (2, "RTNETLINK answers: Invalid cross-device link")
    before = dropped_by_rp_filter(server)
    traffic.send_raw(lab.client, [tunnelled_ping(lab, server, lab.lb.address)])
    wait_until(lambda: dropped_by_rp_filter(server) == before + 1, "the packet is dropped, and counted")


def test_a_tunnel_without_an_address_works_with_rp_filter_0(server_lab, server):
    add_tunnel(server_lab, server, rp_filter=0)
    assert all(is_local(server_lab, server, client.address) for client in server_lab.clients)
    assert answer(server_lab, tunnelled_ping(server_lab, server, server_lab.lb.address)) == (ECHO_REPLY, 0, server_lab.vip)


@pytest.mark.parametrize("address", ["{server}/32", "{server}/32 scope host", "{vip}/32 scope host", "192.0.2.1/32"])
def test_any_address_on_the_tunnel_is_enough_for_rp_filter_2_and_none_for_1(server_lab, server, address):
    lab = server_lab
    add_tunnel(lab, server, rp_filter=2, address=address.format(server=server.address, vip=lab.vip))
    assert all(is_local(lab, server, client.address) for client in lab.clients)
    assert answer(lab, tunnelled_ping(lab, server, lab.lb.address)) == (ECHO_REPLY, 0, lab.vip)
    server.conf(DEVICE, "rp_filter", 1)
    assert not any(is_local(lab, server, client.address) for client in lab.clients)


def test_an_all_of_2_beats_a_tunnels_own_0(server_lab, server):
    add_tunnel(server_lab, server, rp_filter=0)
    server.conf("all", "rp_filter", 2)
    try:
        assert not is_local(server_lab, server, server_lab.client.address)
    finally:
        server.conf("all", "rp_filter", 0)


@pytest.mark.parametrize("rp_filter", [1, 2])
def test_a_new_device_gets_the_default_and_nothing_changes_it_later(server_lab, server, rp_filter):
    """Nothing in the kernel, that is: this machine has no udev, whose rules do."""
    values = server.run(f"""
        cd /proc/sys/net/ipv4/conf
        echo {rp_filter} > default/rp_filter
        ip link add {DEVICE} type ipip local {server.address} remote {server_lab.lb.address}
        echo 0 > default/rp_filter
        ip link set {DEVICE} up
        cat {DEVICE}/rp_filter tunl0/rp_filter
    """).stdout.split()
    assert values == [str(rp_filter)] * 2


# -- who may send ------------------------------------------------------------------------------------------------------


def test_without_the_module_the_answer_is_protocol_unreachable(server_lab, server):
    packet = tunnelled_ping(server_lab, server, server_lab.client.address)
    assert answer(server_lab, packet) == (UNREACHABLE, PROTOCOL_UNREACHABLE, server.address)


def test_with_the_module_and_no_device_for_it_the_answer_is_port_unreachable(server_lab, server):
    server.run("modprobe ipip")
    packet = tunnelled_ping(server_lab, server, server_lab.client.address)
    assert answer(server_lab, packet) == (UNREACHABLE, PORT_UNREACHABLE, server.address)


def test_another_outer_source_than_lb_gets_port_unreachable_unless_tunl0_is_up(server_lab, server):
    lab = server_lab
    add_tunnel(lab, server, rp_filter=0)
    foreign = tunnelled_ping(lab, server, lab.client.address)
    assert answer(lab, foreign) == (UNREACHABLE, PORT_UNREACHABLE, server.address)
    server.ip("link set tunl0 up")
    assert answer(lab, foreign) == (ECHO_REPLY, 0, lab.vip)
    server.ip("link set tunl0 down")
    assert answer(lab, foreign) == (UNREACHABLE, PORT_UNREACHABLE, server.address)


def test_an_outer_source_that_pretends_to_be_lb_is_taken(server_lab, server):
    """Only the network can keep such packets away."""
    add_tunnel(server_lab, server, rp_filter=2, address=own_address(server))
    assert answer(server_lab, tunnelled_ping(server_lab, server, server_lab.lb.address)) == (ECHO_REPLY, 0, server_lab.vip)


def test_a_tunnel_that_is_down_answers_lb_with_port_unreachable_and_the_route_lookup_does_not_notice(server_lab, server):
    lab = server_lab
    add_tunnel(lab, server, rp_filter=2, address=own_address(server))
    server.ip(f"link set {DEVICE} down")
    packet = tunnelled_ping(lab, server, lab.lb.address)
    assert answer(lab, packet, at=lab.lb) == (UNREACHABLE, PORT_UNREACHABLE, server.address)
    assert is_local(lab, server, lab.client.address)
    assert f"inet {server.address}/32 scope host" in server.ip(f"address show {DEVICE}")
    server.ip(f"link set {DEVICE} up")
    assert answer(lab, packet) == (ECHO_REPLY, 0, lab.vip)


# -- tunl0 -------------------------------------------------------------------------------------------------------------


def fallback_tunnels(server, value):
    server.run(f"echo {value} > /proc/sys/net/core/fb_tunnels_only_for_init_net")


def test_tunl0_comes_down_with_the_module_even_when_another_device_was_asked_for(server_lab, server):
    assert "tunl0" not in server.ip("link")
    add_tunnel(server_lab, server, rp_filter=0)
    tunl0, = server.ip_json("-details link show tunl0")
    assert ("UP" in tunl0["flags"], tunl0["linkinfo"]["info_kind"], tunl0["mtu"]) == (False, "ipip", 1480)
    server.ip("link delete tunl0")  # says that it did
    assert "tunl0" in server.ip("link")


@pytest.mark.parametrize("setting, in_init, in_another", [(0, True, True), (1, True, False), (2, False, False)])
def test_fb_tunnels_only_for_init_net_says_where_tunl0_is_and_a_device_of_ones_own_needs_none(
        server_lab, server, setting, in_init, in_another):
    fallback_tunnels(server, setting)
    try:
        server.run("modprobe ipip; ip netns add other")
        assert ("tunl0" in server.ip("link")) == in_init
        assert ("tunl0" in server.ip("-netns other link")) == in_another
        server.ip(f"-netns other link add {DEVICE} type ipip local 192.0.2.1 remote 192.0.2.2")
        add_tunnel(server_lab, server, rp_filter=2, address=own_address(server))
        packet = tunnelled_ping(server_lab, server, server_lab.lb.address)
        assert answer(server_lab, packet) == (ECHO_REPLY, 0, server_lab.vip)
    finally:
        server.run("ip netns delete other", check=False)
        fallback_tunnels(server, 0)


# -- the copy of the server's own address ------------------------------------------------------------------------------


@pytest.mark.parametrize("removal", [f"address delete {{address}}/32 dev {DEVICE}", f"link delete {DEVICE}"])
def test_deleting_the_copy_leaves_the_address_of_eth0_and_its_routes(server_lab, server, removal):
    before = local_routes(server)
    add_tunnel(server_lab, server, rp_filter=2, address=own_address(server))
    assert f"local {server.address} dev {DEVICE} " in local_routes(server)
    assert f"src {server.address}" in server.ip(f"route get {server_lab.client.address}")
    server.ip(removal.format(address=server.address))
    assert local_routes(server) == before
    assert f"inet {server.address}/24 " in server.ip("address show eth0")
    assert traffic.http_requests(server_lab.client, server.address, 1)["errors"] == []


# -- what else a pool server's kernel can do ---------------------------------------------------------------------------


def test_the_program_decap_bpf_decapsulates_without_a_bpf_file_system(server_lab, server):
    lab = server_lab
    with open(compiled_for(server.address, [lab.vip], f"{lab.lb.address}/32"), "rb") as file:
        server.write_file("/run/decap.o", file.read())
    assert "bpffs" not in server.run("mount").stdout
    assert server.run("test -e /sys/kernel/btf/vmlinux", check=False).returncode == 0
    try:
        server.run("tc qdisc add dev eth0 clsact && tc filter add dev eth0 ingress protocol ip"
                   " bpf direct-action object-file /run/decap.o section tc")
        packet = tunnelled_ping(lab, server, lab.lb.address)
        assert answer(lab, packet) == (ECHO_REPLY, 0, lab.vip)
        foreign = copy.deepcopy(packet)
        foreign.src = lab.client.address
        assert answer(lab, foreign) == (UNREACHABLE, PROTOCOL_UNREACHABLE, server.address)
    finally:
        server.run("tc qdisc delete dev eth0 clsact; rm /run/decap.o")


@pytest.mark.parametrize("make, remove", [
    ("ip link add x0 type bond mode active-backup", "ip link delete x0"),
    ("ip link add x0 type bridge", "ip link delete x0"),
    ("ip link add x0 link eth0 type vlan id 5", "ip link delete x0"),
    ("ip link add x0 type dummy", "ip link delete x0"),
    ("ip link add x0 type veth peer name x1", "ip link delete x0"),
    ("ip link add x0 type ipip local 192.0.2.1 remote 192.0.2.2", "ip link delete x0"),
    ("""nft 'table inet x { chain input { type filter hook input priority 0; ct state established accept
         fib daddr type local counter; ip protocol 4 log limit rate 1/second reject; }; }'""", "nft delete table inet x"),
    ("tc qdisc add dev lo clsact; tc filter add dev lo ingress protocol ip u32 match ip protocol 4 0xff action drop",
     "tc qdisc delete dev lo clsact"),
], ids=lambda text: " ".join(text.split()[:6]))
def test_modules_load_when_they_are_asked_for(pool_server, make, remove):
    pool_server.run(f"set -e\n{make}\n{remove}")
