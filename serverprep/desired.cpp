#include "serverprep/desired.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "serverprep/refusal.hpp"

namespace dsr::serverprep {
namespace {

// The link other than lo that holds this address.
const netlink::Link* holder(const Inventory& inventory, wire::Ipv4Address address) {
    for (const netlink::Address& candidate : inventory.addresses) {
        const netlink::Link* link = inventory.link(candidate.link_index);
        // Of scope host is the copy on a tunnel device.
        if (candidate.prefix.address == address && candidate.scope != netlink::kScopeHost && link != nullptr &&
            !link->loopback)
            return link;
    }
    return nullptr;
}

// What the file has for one VIP of this host.
struct Membership {
    ServedVip served;
    std::set<std::string> interfaces;
    std::set<ServicePorts> ports;
};

void add_load_balancers(const config::Config& config, const config::NetworkProfile& profile, ServedVip& served) {
    if (profile.outer_source) {
        served.load_balancers.insert(*profile.outer_source);
        return;
    }
    for (const config::Interface& interface : config.load_balancer.interfaces)
        if (interface.address) served.load_balancers.insert({interface.address->address, 32});
}

// In the order of the file.
std::vector<Membership> find_self(const config::Config& config, const Inventory& inventory) {
    std::vector<Membership> self;
    const auto of_vip = [&](wire::Ipv4Address vip) -> Membership& {
        for (Membership& member : self)
            if (member.served.vip == vip) return member;
        self.emplace_back().served.vip = vip;
        self.back().served.from_config = true;
        return self.back();
    };
    for (const config::VirtualService& service : config.virtual_services) {
        const config::NetworkProfile& profile = config.network_profiles.at(service.network_profile);
        for (const config::Server& server : config.pools.at(service.pool).servers) {
            const netlink::Link* link = holder(inventory, server.address);
            if (link == nullptr) continue;
            Membership& member = of_vip(service.vip);
            member.interfaces.insert(link->name);
            for (const config::PortRange& range : service.ports)
                member.ports.insert({static_cast<std::uint8_t>(profile.protocol), range.first, range.last});
            if (profile.dsr_type != config::DsrType::l3) continue;
            member.served.dsr_type = config::DsrType::l3;
            add_load_balancers(config, profile, member.served);
            for (const config::Interface& interface : config.load_balancer.interfaces)
                if (interface.mtu && (member.served.path_mtu == 0 || *interface.mtu < member.served.path_mtu))
                    member.served.path_mtu = *interface.mtu;
        }
    }
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

Result<std::string> towards(const std::set<wire::Ipv4Prefix>& load_balancers, const Inventory& inventory,
                            const LinkTowards& link_towards) {
    std::set<std::string> found;
    for (const wire::Ipv4Prefix& source : load_balancers) {
        const auto index = link_towards(source.address);
        const netlink::Link* link = index ? inventory.link(*index) : nullptr;
        if (link == nullptr || link->loopback)
            return fail(fmt::format("there is no route from this host to load balancer '{}'", source_text(source)));
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
        if (link != nullptr && !link->loopback && address.scope != netlink::kScopeHost && !is_vip)
            (link->up ? found : down).insert(link->name);
    }
    if (found.empty() && !down.empty())
        return fail(fmt::format(
            "cannot tell which interface holds the server's address: {0} has an address but is down; bring it up (ip "
            "link set {0} up)",
            *down.begin()));
    return only(found, inventory,
                found.empty() ? "none has an address" : "there is no default route and several have addresses");
}

// What decapsulates already stays; else the kernel's own way, which takes outer fragments too. A tunnel device takes
// one source: for networks of them there is the filter alone.
DecapKind choose_decap(const Request& request, const ServedVip& served, const Inventory& inventory) {
    if (request.decap) return *request.decap;
    const auto known = request.on_record.find(served.vip);
    if (known != request.on_record.end() && known->second.tunnelled()) return known->second.decap;
    if (inventory.filter(FilterRole::decapsulate, served.interface) != nullptr) return DecapKind::bpf;
    const bool single =
        !served.load_balancers.empty() &&
        std::ranges::all_of(served.load_balancers, [](const wire::Ipv4Prefix& source) { return source.length == 32; });
    return single && (inventory.has_ipip || !inventory.has_bpf) ? DecapKind::ipip : DecapKind::bpf;
}

Result<void> settle_decap(const Request& request, const Inventory& inventory, ServedVip& served) {
    served.decap = choose_decap(request, served, inventory);
    if (served.decap == DecapKind::bpf && !inventory.has_bpf)
        return fail(request.decap
                        ? "--decap: 'bpf' is not in this build: it was made without clang or libbpf"
                        : "this build has no BPF, and the kernel's ipip takes single load balancers' addresses "
                          "(--load-balancer)");
    if (served.decap == DecapKind::bpf) return {};
    if (!inventory.has_ipip && inventory.tunnels.empty()) return fail("--decap: this kernel has no 'ipip': use bpf");
    if (served.load_balancers.empty())
        return fail("--decap: 'ipip' makes one tunnel for each load balancer: say --load-balancer ADDRESS");
    for (const wire::Ipv4Prefix& source : served.load_balancers)
        if (source.length != 32)
            return fail(
                fmt::format("--decap: 'ipip' takes single addresses, and load balancer '{}' is a network: use bpf",
                            source_text(source)));
    return {};
}

// Those of the request and those of the file, with their interfaces where the file tells.
std::vector<Membership> asked_for(const Request& request, const Inventory& inventory) {
    if (request.config) return find_self(*request.config, inventory);
    std::vector<Membership> asked;
    for (wire::Ipv4Address vip : request.vips) {
        const auto same = [&](const Membership& member) { return member.served.vip == vip; };
        if (std::ranges::any_of(asked, same)) continue;
        Membership& member = asked.emplace_back();
        member.served.vip = vip;
        if (const auto known = request.on_record.find(vip); known != request.on_record.end()) {
            member.served.dsr_type = known->second.dsr_type;
            member.served.from_config = known->second.from_config;
        }
        member.served.dsr_type = request.dsr_type.value_or(member.served.dsr_type);
        if (const auto ports = request.ports.find(vip); ports != request.ports.end()) member.ports = ports->second;
    }
    return asked;
}

// Those that --load-balancer names, and those that the file gives away: addresses of interfaces, and of its pages.
std::set<wire::Ipv4Prefix> known_load_balancers(const Request& request) {
    std::set<wire::Ipv4Prefix> known = request.load_balancers;
    if (!request.config) return known;
    const config::LoadBalancer& balancer = request.config->load_balancer;
    for (const config::Interface& interface : balancer.interfaces)
        if (interface.address) known.insert({interface.address->address, 32});
    const auto pages = wire::Ipv4Address::parse(balancer.http.substr(0, balancer.http.find(':')));
    if (pages && !pages->is_loopback() && !pages->is_unspecified()) known.insert({*pages, 32});
    return known;
}

}  // namespace

const ServedVip* Desired::find(wire::Ipv4Address vip) const {
    const auto found = std::ranges::find(vips, vip, &ServedVip::vip);
    return found == vips.end() ? nullptr : &*found;
}

std::set<std::string> Desired::interfaces() const {
    std::set<std::string> names;
    for (const ServedVip& served : vips)
        names.insert(served.interface);
    return names;
}

bool Desired::ip_forward() const {
    return std::ranges::any_of(vips, &ServedVip::ip_forward);
}

bool Desired::tunnelled() const {
    return std::ranges::any_of(vips, &ServedVip::tunnelled);
}

Result<Desired> resolve(const Request& request, const Inventory& inventory, const LinkTowards& link_towards) {
    const std::vector<Membership> asked = asked_for(request, inventory);
    for (const Membership& member : asked)
        if (const auto refusal = refusal_here(member.served.vip, request, inventory))
            return fail(fmt::format("VIP '{}' {}", wire::to_string(member.served.vip), *refusal));

    std::optional<std::string> of_all;
    if (request.interface || (!request.config && !asked.empty())) {
        std::vector<wire::Ipv4Address> vips;
        for (const Membership& member : asked)
            vips.push_back(member.served.vip);
        auto name = request.interface                 ? chosen(*request.interface, inventory)
                    : !request.load_balancers.empty() ? towards(request.load_balancers, inventory, link_towards)
                                                      : guess(vips, inventory);
        if (!name) return std::unexpected(name.error());
        of_all = std::move(*name);
    }
    Desired desired;
    desired.load_balancers = known_load_balancers(request);
    if (request.config) {
        for (const config::VirtualService& service : request.config->virtual_services)
            desired.of_file.insert(service.vip);
        for (const config::Pool& pool : request.config->pools)
            for (const config::Server& server : pool.servers)
                desired.in_file = desired.in_file || holder(inventory, server.address) != nullptr;
    }
    for (const Membership& member : asked) {
        ServedVip& served = desired.vips.emplace_back(member.served);
        auto name = of_all ? Result<std::string>(*of_all)
                           : only(member.interfaces, inventory, "the file has this host on several");
        if (!name) return std::unexpected(name.error());
        served.interface = std::move(*name);
        served.ip_forward = request.ip_forward;
        served.load_balancers.insert(request.load_balancers.begin(), request.load_balancers.end());
        if (const auto known = request.on_record.find(served.vip);
            served.load_balancers.empty() && known != request.on_record.end())
            served.load_balancers = known->second.load_balancers;
        for (const wire::Ipv4Prefix& source : served.load_balancers)
            if (source.length == 32) desired.load_balancers.insert(source);
        if (served.tunnelled())
            if (auto settled = settle_decap(request, inventory, served); !settled)
                return std::unexpected(settled.error());
        if (!member.ports.empty()) desired.ports.emplace(served.vip, member.ports);
    }
    return desired;
}

}  // namespace dsr::serverprep
