#include "serverprep/desired.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

void add_once(std::vector<wire::Ipv4Address>& list, wire::Ipv4Address address) {
    if (std::ranges::find(list, address) == list.end()) list.push_back(address);
}

// The link other than lo that holds this address.
const netlink::Link* holder(const Inventory& inventory, wire::Ipv4Address address) {
    for (const netlink::Address& candidate : inventory.addresses) {
        const netlink::Link* link = inventory.link(candidate.link_index);
        if (candidate.prefix.address == address && link != nullptr && !link->loopback) return link;
    }
    return nullptr;
}

struct Membership {
    std::vector<wire::Ipv4Address> vips;
    std::set<std::string> interfaces;
};

Result<Membership> find_self(const config::Config& config, const Inventory& inventory) {
    Membership self;
    for (const config::VirtualService& service : config.virtual_services) {
        for (const config::Server& server : config.pools.at(service.pool).servers) {
            const netlink::Link* link = holder(inventory, server.address);
            if (link == nullptr) continue;
            if (config.network_profiles.at(service.network_profile).dsr_type == config::DsrType::l3)
                return fail(fmt::format("virtual service '{}' uses Layer 3 DSR, which serverprep cannot prepare yet",
                                        service.name));
            add_once(self.vips, service.vip);
            self.interfaces.insert(link->name);
        }
    }
    if (self.vips.empty()) return fail("no pool in the file has a server with an address of this host");
    return self;
}

Result<std::string> only(const std::set<std::string>& candidates, const Inventory& inventory, std::string_view why) {
    if (candidates.size() == 1) return *candidates.begin();
    return fail(fmt::format("cannot tell which interface holds the server's address: {}; say --interface, one of {}",
                            why, inventory.link_names()));
}

Result<std::string> chosen(const std::string& name, const Inventory& inventory) {
    const netlink::Link* link = inventory.link(name);
    if (link == nullptr)
        return fail(fmt::format("there is no interface '{}'; there are: {}", name, inventory.link_names()));
    if (link->loopback)
        return fail(
            fmt::format("'{}' is where the VIP goes; --interface takes the one with the server's own address: {}", name,
                        inventory.link_names()));
    return name;
}

Result<std::string> towards(const std::vector<wire::Ipv4Address>& load_balancers, const Inventory& inventory,
                            const LinkTowards& link_towards) {
    std::set<std::string> found;
    for (wire::Ipv4Address address : load_balancers) {
        const auto index = link_towards(address);
        const netlink::Link* link = index ? inventory.link(*index) : nullptr;
        if (link == nullptr || link->loopback)
            return fail(
                fmt::format("there is no route from this host to load balancer '{}'", wire::to_string(address)));
        found.insert(link->name);
    }
    return only(found, inventory, "the load balancers are behind different ones");
}

// The preferred default route, else the one link that is up and has an address of its own.
Result<std::string> guess(const std::vector<wire::Ipv4Address>& vips, const Inventory& inventory) {
    const netlink::Route* best = nullptr;
    for (const netlink::Route& route : inventory.routes) {
        if (route.destination.length != 0 || inventory.link(route.link_index) == nullptr) continue;
        if (best == nullptr || route.metric < best->metric) best = &route;
    }
    if (best != nullptr) return chosen(inventory.link(best->link_index)->name, inventory);
    std::set<std::string> found;
    std::set<std::string> down;
    for (const netlink::Address& address : inventory.addresses) {
        const netlink::Link* link = inventory.link(address.link_index);
        const bool is_vip = std::ranges::find(vips, address.prefix.address) != vips.end();
        if (link != nullptr && !link->loopback && !is_vip) (link->up ? found : down).insert(link->name);
    }
    if (found.empty() && !down.empty())
        return fail(fmt::format(
            "cannot tell which interface holds the server's address: {0} has an address but is down; bring it up (ip "
            "link set {0} up)",
            *down.begin()));
    return only(found, inventory,
                found.empty() ? "none has an address" : "there is no default route and several have addresses");
}

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
    if (std::ranges::find(request.load_balancers, vip) != request.load_balancers.end())
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

Result<Desired> resolve(const Request& request, const Inventory& inventory, const LinkTowards& link_towards) {
    Desired desired;
    desired.ip_forward = request.ip_forward;
    for (wire::Ipv4Address vip : request.vips)
        add_once(desired.vips, vip);
    std::set<std::string> self_interfaces;
    if (request.config) {
        auto self = find_self(*request.config, inventory);
        if (!self) return std::unexpected(self.error());
        desired.vips = std::move(self->vips);
        self_interfaces = std::move(self->interfaces);
    }
    for (wire::Ipv4Address vip : desired.vips) {
        auto refusal = refusal_of_vip(vip);
        if (!refusal) refusal = refusal_by_subnet(vip, inventory);
        if (!refusal) refusal = refusal_as_own(vip, inventory);
        if (!refusal) refusal = refusal_as_peer(vip, request, inventory);
        if (refusal) return fail(fmt::format("VIP '{}' {}", wire::to_string(vip), *refusal));
    }

    Result<std::string> interface =
        request.interface                 ? chosen(*request.interface, inventory)
        : !request.load_balancers.empty() ? towards(request.load_balancers, inventory, link_towards)
        : !self_interfaces.empty()        ? only(self_interfaces, inventory, "the file has this host on several")
                                          : guess(desired.vips, inventory);
    if (!interface) return std::unexpected(interface.error());
    desired.interface = std::move(*interface);
    return desired;
}

}  // namespace dsr::serverprep
