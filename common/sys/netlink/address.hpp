// IPv4 addresses of interfaces.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/wire/address.hpp"

namespace dsr::netlink {

// rtnetlink(7) scopes, of addresses and of routes.
inline constexpr std::uint8_t kScopeGlobal = 0;
inline constexpr std::uint8_t kScopeLink = 253;
inline constexpr std::uint8_t kScopeHost = 254;

struct Address {
    int link_index = 0;
    wire::Ipv4Prefix prefix;  // the local address
    std::string label;        // at most 15 characters; empty: the kernel uses the link's name
    std::uint8_t scope = kScopeGlobal;
    std::uint8_t protocol = 0;  // who made it (IFA_PROTO): 0 not said, 1 kernel for lo, 2 and 3 router advertisements

    friend bool operator==(const Address&, const Address&) = default;
};

// In the kernel's order: by link, then as added.
Result<std::vector<Address>> addresses(Socket& socket);

// Need CAP_NET_ADMIN. Adding an address that is there, and deleting one that is not, are errors.
Result<void> add_address(Socket& socket, const Address& address);
// Matches link, address and prefix length.
Result<void> delete_address(Socket& socket, const Address& address);

}  // namespace dsr::netlink
