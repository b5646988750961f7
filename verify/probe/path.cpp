#include "verify/probe/path.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "common/sys/netlink/address.hpp"
#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/route.hpp"

namespace dsr::verify {
namespace {

// Through an interface that the routing table would not choose: by its own addresses, else its own default route.
Result<Path> forced_path(netlink::Socket& socket, wire::Ipv4Address vip, const netlink::Link& link) {
    const auto addresses = netlink::addresses(socket);
    if (!addresses) return std::unexpected(addresses.error());
    Path path{link.name, link.mac, {}, {}, true};
    for (const netlink::Address& address : *addresses) {
        if (address.link_index != link.index) continue;
        if (path.client.is_unspecified()) path.client = address.prefix.address;
        if (!address.prefix.contains(vip)) continue;
        path.client = address.prefix.address;
        return path;
    }
    if (path.client.is_unspecified()) return fail(fmt::format("the interface '{}' has no IPv4 address", link.name));
    const auto gateway = netlink::default_gateway(socket, link.index);
    if (!gateway) return std::unexpected(gateway.error());
    if (!*gateway) return fail(fmt::format("no route to {} leaves by '{}'", wire::to_string(vip), link.name));
    path.gateway = *gateway;
    return path;
}

}  // namespace

Result<bool> interface_exists(const std::string& name) {
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    const auto link = netlink::find_link(*socket, name);
    if (!link) return std::unexpected(link.error());
    return link->has_value();
}

Result<Path> find_path(wire::Ipv4Address vip, const std::optional<std::string>& interface) {
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    const auto links = netlink::links(*socket);
    if (!links) return std::unexpected(links.error());
    const netlink::RouteLookup route = netlink::route_lookup(*socket, {vip, {}, {}});
    if (route.error == 0 && route.type == netlink::kRouteLocal)
        return fail(fmt::format("{} is an address of this host: run verify from a client", wire::to_string(vip)));
    const auto link = std::ranges::find_if(*links, [&](const netlink::Link& candidate) {
        return interface ? candidate.name == *interface : candidate.index == route.link_index;
    });
    if (route.error != 0 && !interface)
        return fail(fmt::format("no route to {}: {}", wire::to_string(vip), route.words));
    if (link == links->end())
        return fail(fmt::format("the route to {} has no interface{}", wire::to_string(vip),
                                interface ? fmt::format(": there is no '{}'", *interface) : ""));
    if (!link->up) return fail(fmt::format("the interface '{}' is down", link->name));
    if (link->mac.is_zero()) return fail(fmt::format("the interface '{}' is not Ethernet", link->name));
    if (route.error != 0 || route.link_index != link->index) return forced_path(*socket, vip, *link);
    if (!route.preferred_source)
        return fail(
            fmt::format("the interface '{}' has no IPv4 address to reach {} from", link->name, wire::to_string(vip)));
    return Path{link->name, link->mac, *route.preferred_source, route.gateway, false};
}

Result<std::vector<wire::Ipv4Address>> on_segment(const Path& path, const std::vector<wire::Ipv4Address>& addresses) {
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    const auto found = netlink::find_link(*socket, path.interface);
    if (!found) return std::unexpected(found.error());
    std::vector<wire::Ipv4Address> near;
    const std::optional<netlink::Link>& link = *found;
    if (!link) return near;
    for (const wire::Ipv4Address address : addresses) {
        const netlink::RouteLookup route = netlink::route_lookup(*socket, {address, {}, {}});
        if (route.error == 0 && route.type == netlink::kRouteUnicast && !route.gateway &&
            route.link_index == link->index)
            near.push_back(address);
    }
    return near;
}

}  // namespace dsr::verify
