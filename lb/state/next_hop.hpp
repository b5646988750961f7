// Which way a server is reached: by what interface, and through whom.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "lb/dataplane/forwarding_table.hpp"

namespace dsr::lb {

struct NextHop {
    std::uint8_t interface = 0;  // index
    wire::Ipv4Address address;   // whose MAC address frames are sent to: the destination itself when it is on the link
    friend bool operator==(const NextHop&, const NextHop&) = default;
};

using NextHops = std::map<wire::Ipv4Address, NextHop>;  // by server address

// The interface of `interfaces` whose network contains the address.
std::optional<std::uint8_t> interface_towards(const std::vector<Interface>& interfaces, wire::Ipv4Address address);

// As the interfaces alone tell: on the link of one, else by a gateway; where both sides have one, the server side's
// (the last). `gateways`: one for each interface. nullopt: there is no way.
std::optional<NextHop> next_hop(const std::vector<Interface>& interfaces,
                                const std::vector<std::optional<wire::Ipv4Address>>& gateways,
                                wire::Ipv4Address address);

}  // namespace dsr::lb
