#include "serverprep/evidence.hpp"

#include <algorithm>

#include "serverprep/layer3.hpp"

namespace dsr::serverprep {
namespace {

constexpr std::size_t kMostVipsAsked = 16;  // the answers differ by interface, hardly by VIP

bool is_own(wire::Ipv4Address address, const Inventory& inventory) {
    return std::ranges::any_of(inventory.addresses,
                               [&](const netlink::Address& own) { return own.prefix.address == address; });
}

// An address of the interface's subnet that is not of this host.
std::optional<wire::Ipv4Address> neighbour(const ServedVip& served, const Inventory& inventory) {
    const netlink::Link* link = inventory.link(served.interface);
    for (const netlink::Address& address : inventory.addresses) {
        if (link == nullptr || address.link_index != link->index || address.prefix.length > 30) continue;
        const std::uint32_t network = address.prefix.network().host();
        for (std::uint32_t host = 1; host < 256 && host < ~address.prefix.mask(); ++host) {
            const auto candidate = wire::Ipv4Address::from_host(network + host);
            if (candidate != served.vip && !is_own(candidate, inventory)) return candidate;
        }
    }
    return std::nullopt;
}

// Of the networks for documentation (RFC 5737): nobody's own, so that the default route is taken.
std::optional<wire::Ipv4Address> far_away(const Inventory& inventory) {
    const bool has_default = std::ranges::any_of(
        inventory.routes, [](const netlink::Route& route) { return route.destination.length == 0; });
    if (!has_default) return std::nullopt;
    for (const std::uint32_t network : {0xc6336400U, 0xc0000200U, 0xcb007100U}) {
        const auto candidate = wire::Ipv4Address::from_host(network + 199);
        const auto covers = [&](const auto& prefix) { return prefix.length != 0 && prefix.contains(candidate); };
        if (std::ranges::none_of(inventory.routes, covers, &netlink::Route::destination) &&
            std::ranges::none_of(inventory.addresses, covers, &netlink::Address::prefix))
            return candidate;
    }
    return std::nullopt;
}

}  // namespace

std::vector<std::string> arrival_links(const ServedVip& served, const Inventory& inventory) {
    if (!served.tunnelled() || served.decap == DecapKind::bpf) return {served.interface};
    std::vector<std::string> names;
    for (const netlink::Tunnel& tunnel : inventory.tunnels)
        if (tunnel.up && serves(tunnel, served)) names.push_back(tunnel.name);
    return names;
}

std::vector<wire::Ipv4Address> sample_clients(const Request& request, const ServedVip& served,
                                              const Inventory& inventory) {
    if (!request.clients.empty()) return request.clients;
    std::vector<wire::Ipv4Address> clients;
    if (const auto near = neighbour(served, inventory)) clients.push_back(*near);
    if (const auto far = far_away(inventory)) clients.push_back(*far);
    return clients;
}

Evidence ask_paths(Kernel& kernel, const Request& request, const Desired& desired, const Observed& observed) {
    Evidence evidence;
    const Inventory& inventory = observed.inventory;
    std::size_t asked = 0;
    for (const ServedVip& served : desired.vips) {
        const netlink::Link* interface = inventory.link(served.interface);
        const bool is_up = interface != nullptr && interface->up;
        if (!is_up || !is_own(served.vip, inventory) || ++asked > kMostVipsAsked) continue;
        for (wire::Ipv4Address client : sample_clients(request, served, inventory)) {
            for (const std::string& name : arrival_links(served, inventory)) {
                const netlink::Link* link = inventory.link(name);
                if (link == nullptr || !link->up) continue;
                netlink::RouteQuery query{served.vip, client, link->index};
                evidence.arrivals.push_back({served.vip, client, name, kernel.lookup(query)});
            }
            netlink::RouteQuery query{client, served.vip, std::nullopt};
            evidence.departures.push_back({served.vip, client, {}, kernel.lookup(query)});
        }
    }
    return evidence;
}

void ask_services(Kernel& kernel, Evidence& evidence) {
    auto listeners = kernel.listeners();
    if (listeners)
        evidence.listeners = std::move(*listeners);
    else
        evidence.not_looked_at.push_back("listening sockets: " + listeners.error().message);
}

}  // namespace dsr::serverprep
