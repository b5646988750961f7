// Tunnels as messages: what we ask for is what iproute2 asks for, and what it writes we can read.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <vector>

#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/tunnel.hpp"
#include "common/sys/netlink/tunnel_message.hpp"
#include "fresh_namespace.hpp"

using namespace dsr;
using namespace dsr::netlink;

namespace {

using Bytes = std::vector<std::uint8_t>;

// 'ip link add t0 type ipip local 10.0.0.1 remote 10.0.0.2' of iproute2 6.1.0, as strace shows it.
const Bytes kOfIproute2 = {
    0x98, 0, 0,    0, 0x10, 0,    0x05, 0x06, 0xd9, 0x1a, 0x06, 0x6b, 0, 0, 0, 0,  // nlmsghdr
    0,    0, 0,    0, 0,    0,    0,    0,    0,    0,    0,    0,    0, 0, 0, 0,  // ifinfomsg
    7,    0, 3,    0, 't',  0x30, 0,    0,                                         // IFLA_IFNAME
    0x70, 0, 0x12, 0,                                                              // IFLA_LINKINFO
    8,    0, 1,    0, 'i',  'p',  'i',  'p',                                       // IFLA_INFO_KIND, no zero at end
    0x64, 0, 2,    0,                                                              // IFLA_INFO_DATA
    5,    0, 9,    0, 0,    0,    0,    0,                                         // IFLA_IPTUN_PROTO: any
    8,    0, 2,    0, 10,   0,    0,    1,                                         // IFLA_IPTUN_LOCAL
    8,    0, 3,    0, 10,   0,    0,    2,                                         // IFLA_IPTUN_REMOTE
    5,    0, 0x0a, 0, 1,    0,    0,    0,    5,    0,    5,    0,    0, 0, 0, 0,  // _PMTUDISC, _TOS
    5,    0, 4,    0, 0,    0,    0,    0,    8,    0,    1,    0,    0, 0, 0, 0,  // _TTL, _LINK
    8,    0, 0x14, 0, 0,    0,    0,    0,    6,    0,    0x0f, 0,    0, 0, 0, 0,  // _FWMARK, _ENCAP_TYPE
    6,    0, 0x10, 0, 0,    0,    0,    0,    6,    0,    0x11, 0,    0, 0, 0, 0,  // _ENCAP_FLAGS, _ENCAP_SPORT
    6,    0, 0x12, 0, 0,    0,    0,    0,                                         // _ENCAP_DPORT
};

wire::Ipv4Address address(std::string_view text) {
    return wire::Ipv4Address::parse(text).value();
}

// From the end of the fixed header (nlmsghdr, then ifinfomsg) on.
Bytes attributes_of(const Message& message) {
    const nlmsghdr* header = message.bytes();
    REQUIRE(header != nullptr);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(header);
    return {bytes + 32, bytes + header->nlmsg_len};
}

}  // namespace

TEST_CASE("a tunnel as iproute2 writes it is read") {
    Bytes bytes = kOfIproute2;
    REQUIRE(bytes.size() == bytes[0]);
    const auto read = read_tunnel(reinterpret_cast<nlmsghdr*>(bytes.data()));
    REQUIRE(read);
    CHECK(*read == Tunnel{.name = "t0", .local = address("10.0.0.1"), .remote = address("10.0.0.2")});
}

TEST_CASE("a tunnel is asked for with iproute2's attributes, and with protocol 4") {
    // As above, with what we name only; libnl marks what is nested (0x80) and ends texts with a zero.
    const Bytes expected = {
        7,  0, 3,    0,    't', '0', 0,   0,                //
        44, 0, 0x12, 0x80,                                  //
        9,  0, 1,    0,    'i', 'p', 'i', 'p', 0, 0, 0, 0,  //
        28, 0, 2,    0x80,                                  //
        5,  0, 9,    0,    4,   0,   0,   0,                //
        8,  0, 2,    0,    10,  0,   0,   1,                //
        8,  0, 3,    0,    10,  0,   0,   2,                //
    };
    const Tunnel wanted{.name = "t0", .local = address("10.0.0.1"), .remote = address("10.0.0.2")};
    CHECK(attributes_of(message_to_add(wanted)) == expected);
}

TEST_CASE("what is asked for reads back as itself, with both, one or no end given, on or off") {
    const auto up = GENERATE(false, true);
    for (const Tunnel& tunnel :
         {Tunnel{.name = "dsr0", .local = address("192.0.2.1"), .remote = address("198.51.100.2"), .up = up},
          Tunnel{.name = "dsr0", .local = address("192.0.2.1"), .up = up},
          Tunnel{.name = "fifteenletters0", .up = up}}) {
        const Message message = message_to_add(tunnel);
        const auto read = read_tunnel(message.bytes());
        REQUIRE(read);
        CHECK(*read == tunnel);
    }
}

TEST_CASE("a link of another kind is no tunnel") {
    Bytes bytes = kOfIproute2;
    bytes.at(48) = 's';  // 'spip'
    CHECK_FALSE(read_tunnel(reinterpret_cast<nlmsghdr*>(bytes.data())));
}

TEST_CASE("a tunnel is made, found and deleted, or refused because the kernel has none") {
    const test::FreshNamespace fresh;
    auto socket = Socket::open();
    REQUIRE(socket);
    const Tunnel wanted{.name = "dsr0", .local = address("192.0.2.1"), .up = true};
    const auto index = add_tunnel(*socket, wanted);
    if (!index) {
        CHECK(index.error().message ==
              "cannot add ipip tunnel 'dsr0' from 192.0.2.1 to any: Unknown device type (Operation not supported)");
        CHECK(tunnels(*socket).value().empty());
        return;
    }
    Tunnel made = wanted;
    made.link_index = *index;
    const auto all = tunnels(*socket).value();
    CHECK(std::ranges::count(all, made) == 1);
    REQUIRE(delete_link(*socket, *index));
    CHECK(std::ranges::count(tunnels(*socket).value(), made) == 0);
}

TEST_CASE("a tunnel without a name, or with one that is too long, is refused before the kernel is asked") {
    auto socket = Socket::open();
    REQUIRE(socket);
    CHECK_FALSE(add_tunnel(*socket, {}));
    CHECK(add_tunnel(*socket, {.name = "sixteenletters00"}).error().message ==
          "cannot add ipip tunnel 'sixteenletters00' from any to any: a name has 1 to 15 characters");
}

TEST_CASE("deleting a link that does not exist is an error that names it") {
    const test::FreshNamespace fresh;
    auto socket = Socket::open();
    REQUIRE(socket);
    const auto deleted = delete_link(*socket, 4711);
    REQUIRE_FALSE(deleted);
    CHECK(deleted.error().message == "cannot delete link 4711: No such device");
}
