#include "serverprep/refusal.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

// Taking this address away would cut the host off: its link's first address (the kernel lists primary ones before their
// secondaries), the one through which its subnet's gateway is reached, or a lone /32 as some clouds give. Any other
// address beside these may well be a VIP that somebody put on the wrong interface.
bool is_own(const netlink::Address& address, const Inventory& inventory) {
    const auto first_of_link = [&](const auto& matches) {
        for (const netlink::Address& other : inventory.addresses)
            if (other.link_index == address.link_index && matches(other)) return other == address;
        return false;
    };
    const auto leads_to_gateway = [&](const netlink::Route& route) {
        return route.gateway && route.link_index == address.link_index &&
               (address.prefix.length == 32 || address.prefix.contains(*route.gateway));
    };
    const bool has_gateway = std::ranges::any_of(inventory.routes, leads_to_gateway);
    if (address.prefix.length == 32)
        return has_gateway &&
               std::ranges::count(inventory.addresses, address.link_index, &netlink::Address::link_index) == 1;
    if (first_of_link([](const netlink::Address& other) { return other.prefix.length < 32; })) return true;
    return has_gateway && first_of_link([&](const netlink::Address& other) {
               return other.prefix.length == address.prefix.length && other.prefix.contains(address.prefix.address);
           });
}

std::optional<std::string> refusal_as_own(wire::Ipv4Address vip, const Inventory& inventory) {
    for (const netlink::Address& address : inventory.addresses) {
        const netlink::Link* link = inventory.link(address.link_index);
        if (address.prefix.address != vip || link == nullptr || link->loopback || !link->arp) continue;
        if (is_own(address, inventory))
            return fmt::format("is this host's own address on {}; choose another VIP", link->name);
    }
    return std::nullopt;
}

// An address of somebody else whom this host talks to: on lo, it would talk to itself.
std::optional<std::string> refusal_as_peer(wire::Ipv4Address vip, const Request& request, const Inventory& inventory) {
    if (request.load_balancers.contains({vip, 32}))
        return "is the load balancer's own address (--load-balancer); choose another VIP";
    const auto route = std::ranges::find(inventory.routes, std::optional(vip), &netlink::Route::gateway);
    if (route == inventory.routes.end()) return std::nullopt;
    return fmt::format(
        "is the gateway of this host's {}; choose another VIP",
        route->destination.length == 0 ? "default route" : "route to " + wire::to_string(route->destination));
}

// An address that its subnet uses for itself would be added, and never work.
std::optional<std::string> refusal_by_subnet(wire::Ipv4Address vip, const Inventory& inventory) {
    for (const netlink::Address& address : inventory.addresses) {
        const wire::Ipv4Prefix& prefix = address.prefix;
        const netlink::Link* link = inventory.link(address.link_index);
        if (link == nullptr || link->loopback || prefix.length > 30 || !prefix.contains(vip)) continue;
        const std::uint32_t host_part = vip.host() & ~prefix.mask();
        if (host_part == 0 || host_part == ~prefix.mask())
            return fmt::format("is the {} address of {} on {}", host_part == 0 ? "network" : "broadcast",
                               wire::to_string(wire::Ipv4Prefix{prefix.network(), prefix.length}), link->name);
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> refusal_of_vip(wire::Ipv4Address vip) {
    if ((vip.host() >> 24U) == 0) return "is not an address of a host (0.0.0.0/8)";
    if (vip.is_loopback()) return "is a loopback address, which nobody else can reach";
    if (vip.is_multicast()) return "is a multicast address";
    if (vip.is_broadcast()) return "is the broadcast address";
    return std::nullopt;
}

std::vector<wire::Ipv4Address> own_addresses(const std::string& link, const Inventory& inventory,
                                             const std::set<wire::Ipv4Address>& vips) {
    std::vector<wire::Ipv4Address> own;
    const netlink::Link* holder = inventory.link(link);
    for (const netlink::Address& address : inventory.addresses) {
        const bool here = holder != nullptr && address.link_index == holder->index;
        if (here && address.scope == netlink::kScopeGlobal && !vips.contains(address.prefix.address))
            own.push_back(address.prefix.address);
    }
    return own;
}

std::optional<std::string> refusal_here(wire::Ipv4Address vip, const Request& request, const Inventory& inventory) {
    auto refusal = refusal_of_vip(vip);
    if (!refusal) refusal = refusal_by_subnet(vip, inventory);
    if (!refusal) refusal = refusal_as_own(vip, inventory);
    if (!refusal) refusal = refusal_as_peer(vip, request, inventory);
    return refusal;
}

}  // namespace dsr::serverprep
