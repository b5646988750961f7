// The kernel's ARP table.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/wire/address.hpp"

namespace dsr::netlink {

struct Neighbor {
    int link_index = 0;
    wire::Ipv4Address address;
    std::optional<wire::MacAddress> mac;  // nothing while it is being resolved, or when that failed
    std::uint16_t state = 0;              // NUD_… of <linux/neighbour.h>
};

Result<std::vector<Neighbor>> neighbors(Socket& socket, int link_index);

}  // namespace dsr::netlink
