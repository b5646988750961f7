#include "lb/control/next_hops.hpp"

#include <algorithm>

#include "common/sys/netlink/route.hpp"

namespace dsr::lb {
namespace {

using Gateways = std::vector<std::optional<wire::Ipv4Address>>;

Gateways gateways_of(const std::vector<HostInterface>& interfaces, bool configured_only) {
    Gateways gateways;
    for (const auto& host : interfaces)
        gateways.push_back(host.gateway_configured || !configured_only ? host.gateway : std::nullopt);
    return gateways;
}

std::optional<NextHop> by_kernel_route(netlink::Socket& socket, const std::vector<HostInterface>& interfaces,
                                       wire::Ipv4Address server) {
    const auto route = netlink::route_lookup(socket, {.destination = server, .source = {}, .input_link_index = {}});
    if (route.error != 0 || route.type != netlink::kRouteUnicast) return std::nullopt;
    const auto found = std::ranges::find(interfaces, route.link_index, &HostInterface::index);
    if (found == interfaces.end()) return std::nullopt;
    return NextHop{static_cast<std::uint8_t>(found - interfaces.begin()), route.gateway.value_or(server)};
}

}  // namespace

NextHops next_hops_of_host(netlink::Socket& socket, const std::vector<HostInterface>& interfaces,
                           const std::set<wire::Ipv4Address>& servers) {
    const auto data_plane = data_plane_interfaces(interfaces);
    const Gateways configured = gateways_of(interfaces, true);
    NextHops hops;
    for (const auto server : servers) {
        auto hop = next_hop(data_plane, configured, server);
        if (!hop) hop = by_kernel_route(socket, interfaces, server);
        if (hop) hops.emplace(server, *hop);
    }
    return hops;
}

NextHops next_hops_of_file(const std::vector<HostInterface>& interfaces, const std::set<wire::Ipv4Address>& servers) {
    const auto data_plane = data_plane_interfaces(interfaces);
    const Gateways gateways = gateways_of(interfaces, false);
    NextHops hops;
    for (const auto server : servers)
        if (const auto hop = next_hop(data_plane, gateways, server)) hops.emplace(server, *hop);
    return hops;
}

}  // namespace dsr::lb
