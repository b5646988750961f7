// The sockets of this host that wait for packets (sock_diag(7)). Of the network namespace of `socket`. Knows nothing of
// the processes that hold them.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/wire/address.hpp"

namespace dsr::netlink {

inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;

struct Listener {
    std::uint8_t protocol = kProtocolTcp;
    wire::Ipv4Address address{};  // unspecified: any, be it an IPv4 socket or an IPv6 one that takes IPv4 as well
    std::uint16_t port = 0;
    int link_index = 0;  // takes packets of this link only (SO_BINDTODEVICE); 0: of all

    friend auto operator<=>(const Listener&, const Listener&) = default;
};

// TCP sockets in LISTEN and unconnected UDP sockets that packets of IPv4 can reach; sockets that differ in nothing
// (SO_REUSEPORT) are one. Ordered by protocol, address, port. `socket` is of Family::sock_diag. Needs no privilege; the
// kernel loads its modules tcp_diag and udp_diag for it.
Result<std::vector<Listener>> listeners(Socket& socket);

}  // namespace dsr::netlink
