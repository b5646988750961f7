// What a configuration needs of the network: the addresses of servers, VIPs and next hops that it uses.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "common/config/model.hpp"
#include "lb/control/interfaces.hpp"
#include "lb/state/next_hop.hpp"

namespace dsr::lb {

// Those of pools that a service uses, but for disabled ones.
std::vector<config::Server> servers_in_use(const config::Config& config);
// Disabled ones, too.
std::set<wire::Ipv4Address> addresses_in_use(const config::Config& config);
std::set<wire::Ipv4Address> vips_of(const config::Config& config);

struct WantedNeighbor {
    std::uint8_t interface = 0;
    std::optional<wire::MacAddress> mac;  // static
};
using WantedNeighbors = std::map<wire::Ipv4Address, WantedNeighbor>;

// Next hops of the servers, gateways, and static ones.
WantedNeighbors wanted_neighbors(const config::Config& config, const NextHops& hops,
                                 const std::vector<HostInterface>& host_interfaces);

}  // namespace dsr::lb
