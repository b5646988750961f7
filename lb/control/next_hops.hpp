// How this host reaches the servers: over its interfaces, by the kernel's routes.
#pragma once

#include <set>
#include <vector>

#include "common/sys/netlink/socket.hpp"
#include "lb/control/interfaces.hpp"
#include "lb/state/next_hop.hpp"

namespace dsr::lb {

// A server on an interface's network is its own next hop. For others, a gateway that the configuration names wins, then
// the kernel's route counts if it leaves by one of the interfaces. Servers that cannot be reached are left out.
NextHops next_hops_of_host(netlink::Socket& socket, const std::vector<HostInterface>& interfaces,
                           const std::set<wire::Ipv4Address>& servers);

// The same from the file alone.
NextHops next_hops_of_file(const std::vector<HostInterface>& interfaces, const std::set<wire::Ipv4Address>& servers);

}  // namespace dsr::lb
