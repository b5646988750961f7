// IPv4-in-IPv4 tunnels (links of kind 'ipip'): their list, and making one. Knows nothing of the addresses and settings
// that decapsulating for a VIP needs besides, nor whether the kernel has the module.
#pragma once

#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/wire/address.hpp"

namespace dsr::netlink {

struct Tunnel {
    int link_index = 0;  // 0 for one that is to be made
    std::string name{};
    wire::Ipv4Address local{}, remote{};  // unspecified: any
    bool up = false;

    friend bool operator==(const Tunnel&, const Tunnel&) = default;
};

// Ordered by index. The module's own tunl0 (any to any) is among them; the kernel makes it with the module, in every
// namespace or, with net.core.fb_tunnels_only_for_init_net, only in the first.
Result<std::vector<Tunnel>> tunnels(Socket& socket);

// Makes one and returns its index; switched on if `up`. Needs CAP_NET_ADMIN; the kernel loads the module for it, and
// without one refuses with "Unknown device type". "File exists" means the name or the pair of ends is taken: any to any
// always is where tunl0 exists.
Result<int> add_tunnel(Socket& socket, const Tunnel& tunnel);

}  // namespace dsr::netlink
