// Network interfaces: their list and the flags we may change. Knows nothing of addresses on them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/wire/address.hpp"

namespace dsr::netlink {

struct Link {
    int index = 0;
    std::string name;
    std::string kind;      // "veth", "bridge", "tun", …; empty for hardware and lo
    wire::MacAddress mac;  // zero for links that have none (lo, tun)
    std::uint32_t mtu = 0;
    bool up = false;       // IFF_UP: switched on by the administrator
    bool running = false;  // IFF_RUNNING: has a carrier as well
    bool arp = true;       // !IFF_NOARP
    bool loopback = false;
};

Result<std::vector<Link>> links(Socket& socket);  // ordered by index
Result<std::optional<Link>> find_link(Socket& socket, std::string_view name);

// Need CAP_NET_ADMIN. Setting what is set already succeeds.
Result<void> set_link_up(Socket& socket, int index, bool up);
Result<void> set_link_arp(Socket& socket, int index, bool arp);
// Links that belong to their driver for ever (tunl0, lo, hardware) stay: for lo and hardware that is an error, for
// tunl0 the kernel reports success.
Result<void> delete_link(Socket& socket, int index);

}  // namespace dsr::netlink
