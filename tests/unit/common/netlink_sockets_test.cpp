// Which sockets count as waiting for packets of IPv4: real ones, on the loopback interface.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "common/sys/netlink/sockets.hpp"
#include "fresh_namespace.hpp"

using namespace dsr;
using namespace dsr::netlink;

namespace {

constexpr wire::Ipv4Address kAny;
const wire::Ipv4Address kLocalhost = wire::Ipv4Address::parse("127.0.0.1").value();

struct Bound {
    sys::UniqueFd fd;
    std::uint16_t port = 0;
};

// `text` is an address of either family; the kernel chooses the port.
Bound bound(int type, const char* text, bool v6_only = false) {
    const bool v6 = std::strchr(text, ':') != nullptr;
    Bound made{.fd = sys::UniqueFd(::socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0))};
    REQUIRE(made.fd.valid());
    const int only = v6_only ? 1 : 0;
    if (v6) REQUIRE(::setsockopt(made.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) == 0);
    sockaddr_storage address{};
    address.ss_family = v6 ? AF_INET6 : AF_INET;
    void* where = v6 ? static_cast<void*>(&reinterpret_cast<sockaddr_in6&>(address).sin6_addr)
                     : static_cast<void*>(&reinterpret_cast<sockaddr_in&>(address).sin_addr);
    REQUIRE(::inet_pton(address.ss_family, text, where) == 1);
    socklen_t size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    REQUIRE(::bind(made.fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(made.fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    made.port = ntohs(v6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                         : reinterpret_cast<sockaddr_in&>(address).sin_port);
    return made;
}

Bound listening(const char* text, bool v6_only = false) {
    Bound made = bound(SOCK_STREAM, text, v6_only);
    REQUIRE(::listen(made.fd.get(), 1) == 0);
    return made;
}

std::vector<Listener> with_port(std::uint8_t protocol, std::uint16_t port) {
    auto socket = Socket::open(Family::sock_diag);
    REQUIRE(socket);
    auto found = listeners(*socket);
    if (!found) FAIL(found.error().message);
    std::erase_if(*found, [&](const Listener& one) { return one.protocol != protocol || one.port != port; });
    return *found;
}

using Listeners = std::vector<Listener>;

}  // namespace

TEST_CASE("a TCP socket is there when it listens and not when it is only bound") {
    const Bound idle = bound(SOCK_STREAM, "127.0.0.1");
    CHECK(with_port(kProtocolTcp, idle.port).empty());
    const Bound made = listening("127.0.0.1");
    CHECK(with_port(kProtocolTcp, made.port) == Listeners{{kProtocolTcp, kLocalhost, made.port, 0}});
    CHECK(with_port(kProtocolUdp, made.port).empty());
}

TEST_CASE("an established connection is no listener, the socket that accepted it still is") {
    const Bound server = listening("127.0.0.1");
    const Bound client = bound(SOCK_STREAM, "127.0.0.1");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(client.fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    const sys::UniqueFd accepted(::accept(server.fd.get(), nullptr, nullptr));
    REQUIRE(accepted.valid());
    CHECK(with_port(kProtocolTcp, server.port).size() == 1);
    CHECK(with_port(kProtocolTcp, client.port).empty());
}

TEST_CASE("a UDP socket is there from bind() until it is connected") {
    const Bound made = bound(SOCK_DGRAM, "127.0.0.1");
    CHECK(with_port(kProtocolUdp, made.port) == Listeners{{kProtocolUdp, kLocalhost, made.port, 0}});
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(made.fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    CHECK(with_port(kProtocolUdp, made.port).empty());
}

TEST_CASE("a socket bound to no address takes any, as an IPv6 one does that is not for IPv6 only") {
    for (const char* address : {"0.0.0.0", "::"}) {
        const Bound tcp = listening(address);
        CHECK(with_port(kProtocolTcp, tcp.port) == Listeners{{kProtocolTcp, kAny, tcp.port, 0}});
        const Bound udp = bound(SOCK_DGRAM, address);
        CHECK(with_port(kProtocolUdp, udp.port) == Listeners{{kProtocolUdp, kAny, udp.port, 0}});
    }
}

TEST_CASE("a socket that IPv4 cannot reach is no listener: for IPv6 only, or bound to an IPv6 address") {
    const Bound only = listening("::", true);
    CHECK(with_port(kProtocolTcp, only.port).empty());
    const Bound loopback = listening("::1");
    CHECK(with_port(kProtocolTcp, loopback.port).empty());
    const Bound udp = bound(SOCK_DGRAM, "::", true);
    CHECK(with_port(kProtocolUdp, udp.port).empty());
}

TEST_CASE("an IPv6 socket bound to a mapped address is one of that IPv4 address") {
    const Bound tcp = listening("::ffff:127.0.0.1");
    CHECK(with_port(kProtocolTcp, tcp.port) == Listeners{{kProtocolTcp, kLocalhost, tcp.port, 0}});
}

TEST_CASE("a socket bound to a link says which") {
    const Bound made = bound(SOCK_STREAM, "127.0.0.1");
    REQUIRE(::setsockopt(made.fd.get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
    REQUIRE(::listen(made.fd.get(), 1) == 0);
    CHECK(with_port(kProtocolTcp, made.port) == Listeners{{kProtocolTcp, kLocalhost, made.port, test::kLoopback}});
}

TEST_CASE("sockets that share an address and port are one, and an IPv6-only one beside them changes nothing") {
    const Bound v6 = listening("::", true);
    const sys::UniqueFd v4(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    REQUIRE(::setsockopt(v4.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    const sys::UniqueFd again(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::setsockopt(again.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(v6.port);
    for (const sys::UniqueFd* fd : {&v4, &again}) {
        REQUIRE(::bind(fd->get(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0);
        REQUIRE(::listen(fd->get(), 1) == 0);
    }
    CHECK(with_port(kProtocolTcp, v6.port) == Listeners{{kProtocolTcp, kAny, v6.port, 0}});
}

TEST_CASE("a process without privilege may ask for listeners, other users' included") {
    const Bound made = listening("127.0.0.1");
    const test::Nobody nobody;
    CHECK(with_port(kProtocolTcp, made.port).size() == 1);
}

TEST_CASE("only this namespace's listeners are there") {
    const test::FreshNamespace fresh;
    auto socket = Socket::open(Family::sock_diag);
    REQUIRE(socket);
    CHECK(listeners(*socket).value().empty());
}
