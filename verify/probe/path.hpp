// How this host reaches an address, as its kernel would send to it. Asks netlink; sends nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "verify/observation.hpp"

namespace dsr::verify {

// Whether there is such an interface.
Result<bool> interface_exists(const std::string& name);

// The path to a VIP. With `interface`, the one through it, whatever the routing table prefers.
// Errors: no route, the VIP is an address of this host, the interface has no MAC address or no IPv4 address.
Result<Path> find_path(wire::Ipv4Address vip, const std::optional<std::string>& interface);

// Those of `addresses` that are on the segment of path.interface, so that ARP finds them.
Result<std::vector<wire::Ipv4Address>> on_segment(const Path& path, const std::vector<wire::Ipv4Address>& addresses);

}  // namespace dsr::verify
