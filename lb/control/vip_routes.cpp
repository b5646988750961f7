#include "lb/control/vip_routes.hpp"

#include <algorithm>

#include "common/sys/netlink/address.hpp"
#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/route.hpp"

namespace dsr::lb {
namespace {

// The largest there is: the kernel then never finds a VIP packet too big for the device, which it would report by ICMP.
constexpr std::uint32_t kLargestMtu = 65535;

netlink::Route route_to(wire::Ipv4Address vip, int link_index) {
    netlink::Route route;
    route.destination = {vip, 32};
    route.link_index = link_index;
    route.scope = netlink::kScopeLink;
    route.protocol = kVipRouteProtocol;
    return route;
}

}  // namespace

Result<std::unique_ptr<VipRoutes>> VipRoutes::open(netlink::Socket& socket) {
    auto device = create_tun_device(socket, kVipDevice, TunKind::tun);
    if (!device) return std::unexpected(device.error());
    if (const auto raised = set_mtu(kVipDevice, kLargestMtu); !raised) return std::unexpected(raised.error());
    if (const auto up = netlink::set_link_up(socket, device->index, true); !up) return std::unexpected(up.error());
    return std::unique_ptr<VipRoutes>(new VipRoutes(*std::move(device)));
}

Result<void> VipRoutes::set(netlink::Socket& socket, const std::set<wire::Ipv4Address>& vips) {
    if (const auto up = netlink::set_link_up(socket, device_.index, true); !up) return up;
    const auto routes = netlink::routes(socket);
    if (!routes) return std::unexpected(routes.error());
    std::set<wire::Ipv4Address> announced;
    for (const auto& route : *routes)
        if (route.link_index == device_.index && route.protocol == kVipRouteProtocol && route.destination.length == 32)
            announced.insert(route.destination.address);
    for (const auto vip : vips)
        if (!announced.contains(vip))
            if (auto added = netlink::add_route(socket, route_to(vip, device_.index)); !added) return added;
    for (const auto vip : announced)
        if (!vips.contains(vip))
            if (auto deleted = netlink::delete_route(socket, route_to(vip, device_.index)); !deleted) return deleted;
    return {};
}

Result<void> check_free(netlink::Socket& socket, const std::set<wire::Ipv4Address>& vips) {
    const auto links = netlink::links(socket);
    const auto addresses = netlink::addresses(socket);
    const auto routes = netlink::routes(socket);
    if (!links) return std::unexpected(links.error());
    if (!addresses) return std::unexpected(addresses.error());
    if (!routes) return std::unexpected(routes.error());
    for (const auto& address : *addresses) {
        if (!vips.contains(address.prefix.address)) continue;
        const auto link = std::ranges::find(*links, address.link_index, &netlink::Link::index);
        const std::string device = link == links->end() ? "?" : link->name;
        const std::string vip = "VIP '" + wire::to_string(address.prefix.address) + "'";
        // With its network's prefix, it may be the address by which this host is reached: no command to paste for that.
        if (address.prefix.length < 32)
            return fail(vip + " is this host's own address on '" + device + "'; choose another VIP");
        return fail(vip + " is an address of this host, so its kernel would answer in lb's place; remove it: " +
                    "ip address delete " + wire::to_string(address.prefix) + " dev " + device);
    }
    for (const auto& route : *routes) {
        if (route.destination.length != 32 || !vips.contains(route.destination.address)) continue;
        const std::string vip = wire::to_string(route.destination.address);
        return fail("this host has a route to VIP '" + vip +
                    "' already, where lb's own goes; remove it: ip route delete " + vip);
    }
    return {};
}

}  // namespace dsr::lb
