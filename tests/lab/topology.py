"""What a lab looks like, as plain values: segments (one bridge each), nodes and their addresses. Starts nothing.

MAC addresses are derived from the IPv4 address (02:00 and its four bytes), so that a capture can be read by eye:
10.0.0.11 is 02:00:0a:00:00:0b.
"""

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """One interface of a node. The first link of a node is eth0, the second eth1, …"""

    segment: str
    address: str  # with prefix length: 10.0.0.11/24

    @property
    def ip(self):
        return str(ipaddress.ip_interface(self.address).ip)

    @property
    def mac(self):
        return ":".join(f"{byte:02x}" for byte in b"\x02\x00" + ipaddress.ip_interface(self.address).ip.packed)


@dataclass(frozen=True)
class Node:
    name: str  # at most 15 characters: it is also the name of its port on the bridge
    links: tuple
    gateway: str = ""  # default route
    forwards: bool = False  # ip_forward=1: a router


@dataclass(frozen=True)
class Topology:
    nodes: tuple
    vip: str
    clients: tuple  # names of the nodes that clients run on
    servers: tuple  # names of the pool members
    drawing: str

    @property
    def segments(self):
        seen = {}
        for node in self.nodes:
            for link in node.links:
                seen.setdefault(link.segment)
        return tuple(seen)


def _servers(count, gateway=""):
    return tuple(Node(f"s{n}", (Link("lan", f"10.0.0.{10 + n}/24"),), gateway) for n in range(1, count + 1))


def _names(nodes):
    return tuple(node.name for node in nodes)


def flat(servers=2):
    """Client, lb and servers on one segment; the VIP belongs to that segment, so that the client asks for it by ARP."""
    pool = _servers(servers)
    return Topology(
        nodes=(
            Node("client", (Link("lan", "10.0.0.50/24"),)),
            Node("lb", (Link("lan", "10.0.0.2/24"),)),
            *pool,
        ),
        vip="10.0.0.100",
        clients=("client",),
        servers=_names(pool),
        drawing="""\
   client          lb              s1              s2
   10.0.0.50       10.0.0.2        10.0.0.11       10.0.0.12
      |            VIP 10.0.0.100  |               |
      |               |            |               |
   ===+===============+============+===============+=====  10.0.0.0/24
""",
    )


def routed(servers=2):
    """The flat segment plus a router with a second client behind it: that client never sees a MAC address of the segment."""
    pool = _servers(servers, gateway="10.0.0.1")
    return Topology(
        nodes=(
            Node("client", (Link("lan", "10.0.0.50/24"),), gateway="10.0.0.1"),
            Node("lb", (Link("lan", "10.0.0.2/24"),), gateway="10.0.0.1"),
            *pool,
            Node("router", (Link("lan", "10.0.0.1/24"), Link("far", "198.51.100.1/24")), forwards=True),
            Node("far", (Link("far", "198.51.100.50/24"),), gateway="198.51.100.1"),
        ),
        vip="10.0.0.100",
        clients=("client", "far"),
        servers=_names(pool),
        drawing="""\
   far (a client)
   198.51.100.50
      |
   ===+====+=============================================  198.51.100.0/24
           |
        router     client     lb              s1          s2
        10.0.0.1   10.0.0.50  10.0.0.2        10.0.0.11   10.0.0.12
           |          |       VIP 10.0.0.100  |           |
           |          |          |            |           |
   ========+==========+==========+============+===========+====  10.0.0.0/24
""",
    )


def two_interface(servers=2):
    """lb between a client side (eth0) and a server side (eth1). Replies go round it, through the router."""
    pool = _servers(servers, gateway="10.0.0.1")
    return Topology(
        nodes=(
            Node("client", (Link("front", "192.0.2.50/24"),), gateway="192.0.2.1"),
            Node("lb", (Link("front", "192.0.2.2/24"), Link("lan", "10.0.0.2/24")), gateway="192.0.2.1"),
            *pool,
            Node("router", (Link("front", "192.0.2.1/24"), Link("lan", "10.0.0.1/24")), forwards=True),
        ),
        vip="192.0.2.100",
        clients=("client",),
        servers=_names(pool),
        drawing="""\
   client
   192.0.2.50
      |
   ===+==========+==================+======  192.0.2.0/24, VIP 192.0.2.100
                 | eth0             |
              lb 192.0.2.2       router 192.0.2.1
                 10.0.0.2               10.0.0.1
                 | eth1             |
   ===+==========+========+=========+======  10.0.0.0/24
      |                   |
      s1 10.0.0.11        s2 10.0.0.12
""",
    )


def layer3():
    """The routed lab with servers on two segments: s1 on lb's own, the others behind the router, where only a tunnel gets.
    Their replies go through the router to the clients."""
    near = Node("s1", (Link("lan", "10.0.0.11/24"),), gateway="10.0.0.1")
    beyond = tuple(Node(f"s{n}", (Link("back", f"10.0.1.{10 + n}/24"),), gateway="10.0.1.1") for n in (2, 3))
    return Topology(
        nodes=(
            Node("client", (Link("lan", "10.0.0.50/24"),), gateway="10.0.0.1"),
            Node("lb", (Link("lan", "10.0.0.2/24"),), gateway="10.0.0.1"),
            near,
            *beyond,
            Node("router", (Link("lan", "10.0.0.1/24"), Link("back", "10.0.1.1/24"), Link("far", "198.51.100.1/24")),
                 forwards=True),
            Node("far", (Link("far", "198.51.100.50/24"),), gateway="198.51.100.1"),
        ),
        vip="10.0.0.100",
        clients=("client", "far"),
        servers=_names((near, *beyond)),
        drawing="""\
   far (a client)              s2          s3
   198.51.100.50               10.0.1.12   10.0.1.13
      |                        |           |
   ===+=======+=============   |           |                198.51.100.0/24
              |             ===+===+=======+=============   10.0.1.0/24
              |                    |
              198.51.100.1  router 10.0.1.1
                 10.0.0.1   client       lb               s1
                    |       10.0.0.50    10.0.0.2         10.0.0.11
                    |          |         VIP 10.0.0.100   |
                    |          |         |                |
   =================+==========+=========+================+====  10.0.0.0/24
""",
    )
