#include "common/config/check.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace dsr::config {
namespace {

using wire::Ipv4Address;

std::string interface_path(std::size_t i) {
    return element("load_balancer.interfaces", i);
}
std::string neighbor_path(std::size_t i) {
    return element("load_balancer.neighbors", i);
}
std::string service_path(std::size_t i) {
    return element("virtual_services", i);
}
std::string server_path(std::size_t pool, std::size_t server) {
    return element(element("pools", pool) + ".servers", server);
}

// Reports the second and later of values that must differ; `value_of(i)` is the text of what stands at `path_of(i)`.
template <typename ValueOf, typename PathOf>
void require_distinct(Draft& draft, std::size_t count, ValueOf value_of, PathOf path_of) {
    std::unordered_map<std::string, std::string> first_at;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string path = path_of(i);
        const auto place = draft.place(path);
        if (!place) continue;
        const std::string value = value_of(i);
        const auto [first, is_new] = first_at.try_emplace(value, path);
        if (!is_new) draft.report.add(*place, path, quoted(value) + " is already given at " + first->second);
    }
}

void check_names(Draft& draft) {
    const auto distinct = [&](const auto& list, const std::string& section) {
        require_distinct(
            draft, list.size(), [&](std::size_t i) { return list[i].name; },
            [&](std::size_t i) { return element(section, i) + ".name"; });
    };
    distinct(draft.config.load_balancer.interfaces, "load_balancer.interfaces");
    distinct(draft.config.network_profiles, "network_profiles");
    distinct(draft.config.pools, "pools");
    distinct(draft.config.virtual_services, "virtual_services");
}

void check_gateway(Draft& draft, std::size_t i) {
    const Interface& one = draft.config.load_balancer.interfaces[i];
    const std::string path = interface_path(i) + ".gateway";
    const auto place = draft.place(path);
    if (!place || !one.gateway || !one.address) return;
    if (*one.gateway == one.address->address)
        draft.report.add(*place, path, quoted(to_string(*one.gateway)) + " is the interface's own address");
    // On a /32 the next hop is reached without being in the network, as some clouds have it.
    else if (one.address->length != 32 && !one.address->contains(*one.gateway))
        draft.report.add(*place, path,
                         quoted(to_string(*one.gateway)) + " lies outside the interface's network " +
                             to_string(wire::Ipv4Prefix{one.address->network(), one.address->length}));
}

void check_interfaces(Draft& draft) {
    const auto& interfaces = draft.config.load_balancer.interfaces;
    for (std::size_t i = 0; i < interfaces.size(); ++i)
        check_gateway(draft, i);
    require_distinct(
        draft, interfaces.size(),
        [&](std::size_t i) { return interfaces[i].address ? to_string(interfaces[i].address->address) : ""; },
        [](std::size_t i) { return interface_path(i) + ".address"; });
    require_distinct(
        draft, interfaces.size(), [&](std::size_t i) { return interfaces[i].mac ? to_string(*interfaces[i].mac) : ""; },
        [](std::size_t i) { return interface_path(i) + ".mac"; });
    require_distinct(
        draft, interfaces.size(), [&](std::size_t i) { return interfaces[i].kernel_interface; },
        [](std::size_t i) { return interface_path(i) + ".kernel_interface"; });
    const auto& neighbors = draft.config.load_balancer.neighbors;
    require_distinct(
        draft, neighbors.size(), [&](std::size_t i) { return to_string(neighbors[i].address); },
        [](std::size_t i) { return neighbor_path(i) + ".address"; });
}

void check_monitor(Draft& draft, std::size_t pool) {
    const HealthMonitor& monitor = draft.config.pools[pool].health_monitor;
    const std::string path = element("pools", pool) + ".health_monitor";
    if (monitor.timeout <= monitor.interval) return;
    const std::string interval = std::to_string(monitor.interval.count());
    // Whichever of the two is written; the other one is then the default.
    if (const auto place = draft.place(path + ".timeout"))
        draft.report.add(*place, path + ".timeout",
                         quoted(std::to_string(monitor.timeout.count())) + " is longer than the interval of " +
                             interval + " s: the next check would start before this one ends");
    else if (const auto other = draft.place(path + ".interval"))
        draft.report.add(*other, path + ".interval",
                         quoted(interval) + " is shorter than the timeout of " +
                             std::to_string(monitor.timeout.count()) +
                             " s: the next check would start before this one ends");
}

void check_pools(Draft& draft) {
    const Config& config = draft.config;
    for (std::size_t i = 0; i < config.pools.size(); ++i) {
        const auto& servers = config.pools[i].servers;
        require_distinct(
            draft, servers.size(), [&](std::size_t j) { return to_string(servers[j].address); },
            [i](std::size_t j) { return server_path(i, j) + ".address"; });
        check_monitor(draft, i);
        const std::string path = element("pools", i) + ".servers";
        constexpr std::size_t kMaxServers = 65534;  // ring::build_table's
        const std::size_t most = std::min<std::size_t>(kMaxServers, config.load_balancer.maglev_table_size);
        if (const auto place = draft.place(path); place && servers.size() > most)
            draft.report.add(*place, path,
                             quoted(std::to_string(servers.size())) + " servers are more than " + std::to_string(most) +
                                 ", the most that maglev_table_size " +
                                 std::to_string(config.load_balancer.maglev_table_size) + " has room for");
    }
}

// Addresses that are a host's own, and where they are written.
using Owners = std::map<Ipv4Address, std::string>;

Owners interface_owners(const Draft& draft) {
    Owners owners;
    const auto& interfaces = draft.config.load_balancer.interfaces;
    for (std::size_t i = 0; i < interfaces.size(); ++i)
        if (const auto& prefix = interfaces[i].address)
            owners.try_emplace(prefix->address, interface_path(i) + ".address");
    return owners;
}

// Adds every host the file names besides the interfaces.
void add_other_owners(const Draft& draft, Owners& owners) {
    const auto add = [&](Ipv4Address address, const std::string& path) {
        if (draft.place(path)) owners.try_emplace(address, path);
    };
    const auto& balancer = draft.config.load_balancer;
    for (std::size_t i = 0; i < balancer.interfaces.size(); ++i)
        if (const auto& gateway = balancer.interfaces[i].gateway) add(*gateway, interface_path(i) + ".gateway");
    for (std::size_t i = 0; i < balancer.neighbors.size(); ++i)
        add(balancer.neighbors[i].address, neighbor_path(i) + ".address");
    for (std::size_t i = 0; i < draft.config.pools.size(); ++i)
        for (std::size_t j = 0; j < draft.config.pools[i].servers.size(); ++j)
            add(draft.config.pools[i].servers[j].address, server_path(i, j) + ".address");
}

// A server or neighbor at an interface's address would be the load balancer itself.
void check_not_an_interface(Draft& draft, const Owners& interfaces, Ipv4Address address, const std::string& path) {
    const auto owner = interfaces.find(address);
    if (const auto place = draft.place(path); place && owner != interfaces.end())
        draft.report.add(*place, path,
                         quoted(to_string(address)) + " is the load balancer's own address at " + owner->second);
}

// `taken`: every address that the file names. One of them is enough to report.
void check_outer_sources(Draft& draft, const Owners& taken) {
    for (std::size_t i = 0; i < draft.config.network_profiles.size(); ++i) {
        const std::string path = element("network_profiles", i) + ".dsr_profile.outer_source";
        const auto& prefix = draft.config.network_profiles[i].outer_source;
        const auto place = draft.place(path);
        if (!place || !prefix) continue;
        const auto first = taken.lower_bound(prefix->network());
        if (first != taken.end() && prefix->contains(first->first))
            draft.report.add(*place, path,
                             quoted(to_string(*prefix)) + " contains " + to_string(first->first) + " at " +
                                 first->second + ": an outer source is made up, so that it must be nobody's address");
    }
}

void check_addresses(Draft& draft) {
    Owners owners = interface_owners(draft);
    const Config& config = draft.config;
    for (std::size_t i = 0; i < config.load_balancer.neighbors.size(); ++i)
        check_not_an_interface(draft, owners, config.load_balancer.neighbors[i].address, neighbor_path(i) + ".address");
    for (std::size_t i = 0; i < config.pools.size(); ++i)
        for (std::size_t j = 0; j < config.pools[i].servers.size(); ++j)
            check_not_an_interface(draft, owners, config.pools[i].servers[j].address, server_path(i, j) + ".address");

    add_other_owners(draft, owners);
    for (std::size_t i = 0; i < config.virtual_services.size(); ++i) {
        const std::string path = service_path(i) + ".vip";
        const auto owner = owners.find(config.virtual_services[i].vip);
        if (const auto place = draft.place(path); place && owner != owners.end())
            draft.report.add(*place, path,
                             quoted(to_string(config.virtual_services[i].vip)) + " is a host's own address at " +
                                 owner->second + ": a VIP belongs to no single host");
    }

    for (std::size_t i = 0; i < config.virtual_services.size(); ++i)
        if (const std::string path = service_path(i) + ".vip"; draft.place(path))
            owners.try_emplace(config.virtual_services[i].vip, path);
    check_outer_sources(draft, owners);
}

// The pools of services with that type. A pool may be in both sets.
std::set<std::size_t> pools_of(const Draft& draft, DsrType type) {
    std::set<std::size_t> pools;
    for (std::size_t i = 0; i < draft.config.virtual_services.size(); ++i) {
        const VirtualService& service = draft.config.virtual_services[i];
        const auto profile_type = element("network_profiles", service.network_profile) + ".dsr_profile.dsr_type";
        if (draft.place(service_path(i) + ".pool") && draft.place(service_path(i) + ".network_profile") &&
            draft.place(profile_type) && draft.config.network_profiles[service.network_profile].dsr_type == type)
            pools.insert(service.pool);
    }
    return pools;
}

// Reports the pool's servers that are on no interface's network. All interfaces have their address.
void require_on_segment(Draft& draft, std::size_t pool, std::string_view otherwise) {
    const auto& servers = draft.config.pools[pool].servers;
    for (std::size_t j = 0; j < servers.size(); ++j) {
        const Ipv4Address address = servers[j].address;
        const std::string path = server_path(pool, j) + ".address";
        const auto place = draft.place(path);
        if (place && std::ranges::none_of(draft.config.load_balancer.interfaces,
                                          [&](const Interface& one) { return one.address->contains(address); }))
            draft.report.add(*place, path,
                             quoted(to_string(address)).append(" is on no interface's network").append(otherwise));
    }
}

// Driver dpdk, and no gateway was written; one that is wrong is reported by itself already.
bool lacks_gateway(const Draft& draft) {
    const LoadBalancer& balancer = draft.config.load_balancer;
    if (balancer.driver != Driver::dpdk) return false;
    // Through a kernel interface, the kernel may have a route.
    for (std::size_t i = 0; i < balancer.interfaces.size(); ++i)
        for (const char* key : {".gateway", ".kernel_interface"})
            if (!draft.left_out(interface_path(i) + key)) return false;
    return true;
}

// Layer 2 reaches a server by its MAC address only, so that it must be on a network of ours. Layer 3 reaches the others
// through a next hop, which the kernel's routes give, or a gateway. Unknown as long as the address of an interface is
// left to the kernel.
void check_reach(Draft& draft) {
    const auto& interfaces = draft.config.load_balancer.interfaces;
    if (interfaces.empty() ||
        !std::ranges::all_of(interfaces, [](const Interface& one) { return one.address.has_value(); }))
        return;
    const auto l2_pools = pools_of(draft, DsrType::l2);
    for (const std::size_t pool : l2_pools)
        require_on_segment(draft, pool, ": dsr_type l2 reaches only servers on the same segment (l3 any)");
    if (!lacks_gateway(draft)) return;
    for (const std::size_t pool : pools_of(draft, DsrType::l3))
        if (!l2_pools.contains(pool))
            require_on_segment(draft, pool,
                               ", and no interface has a gateway: driver dpdk has no kernel to ask for a route");
}

std::string to_text(PortRange range) {
    const std::string first = std::to_string(range.first);
    return range.first == range.last ? first : first + "-" + std::to_string(range.last);
}

// Who gets a port: VIP and protocol, where both are known; otherwise the service alone.
using PortOwner = std::tuple<bool, std::uint32_t, std::size_t>;

PortOwner port_owner(const Draft& draft, std::size_t i) {
    const VirtualService& service = draft.config.virtual_services[i];
    const auto profile = element("network_profiles", service.network_profile) + ".type";
    if (!draft.place(service_path(i) + ".vip") || !draft.place(service_path(i) + ".network_profile") ||
        !draft.place(profile))
        return {false, 0, i};
    const Protocol protocol = draft.config.network_profiles[service.network_profile].protocol;
    return {true, service.vip.host(), static_cast<std::size_t>(protocol)};
}

void check_ports(Draft& draft) {
    std::map<PortOwner, std::vector<const PlacedPort*>> owners;
    for (const PlacedPort& port : draft.ports)
        owners[port_owner(draft, port.service)].push_back(&port);
    std::set<const PlacedPort*> reported;
    for (auto& [owner, ports] : owners) {
        std::ranges::sort(ports, {}, [](const PlacedPort* port) { return std::pair(port->range.first, port); });
        const PlacedPort* widest = nullptr;  // of those before, the one that ends last
        for (const PlacedPort* port : ports) {
            if (widest != nullptr && port->range.first <= widest->range.last) {
                // draft.ports is in the order of the services: the later one is to blame.
                const auto [earlier, later] = std::minmax(widest, port);
                if (reported.insert(later).second)
                    draft.report.add(later->mark, later->path,
                                     quoted(to_text(later->range)) + " overlaps " + quoted(to_text(earlier->range)) +
                                         " at " + earlier->path +
                                         ": a port of a VIP and protocol belongs to one service, once");
            }
            if (widest == nullptr || port->range.last > widest->range.last) widest = port;
        }
    }
}

// A service's choice, which may be the default; nothing when it or the VIP is not known.
std::optional<std::string> echo_choice(const Draft& draft, std::size_t i) {
    const std::string path = service_path(i) + ".icmp_echo";
    const bool left_out = draft.left_out(path);
    if (!draft.place(service_path(i) + ".vip") || (!left_out && !draft.place(path))) return std::nullopt;
    const bool answer = draft.config.virtual_services[i].icmp_echo == IcmpEcho::answer;
    return (answer ? "'answer'" : "'forward'") + std::string(left_out ? ", the default," : "");
}

void check_icmp_echo(Draft& draft) {
    const auto& services = draft.config.virtual_services;
    std::unordered_map<Ipv4Address, std::size_t> first_of;  // VIP -> its first service
    for (std::size_t i = 0; i < services.size(); ++i) {
        const auto choice = echo_choice(draft, i);
        if (!choice) continue;
        const std::size_t first = first_of.try_emplace(services[i].vip, i).first->second;
        if (services[i].icmp_echo == services[first].icmp_echo) continue;
        const std::string path = service_path(i) + ".icmp_echo";
        const Mark vip = *draft.place(service_path(i) + ".vip");
        draft.report.add(draft.place(path).value_or(vip), path,
                         *choice + " contradicts " + *echo_choice(draft, first) + " of " + service_path(first) +
                             ": services that share a VIP must agree, because an echo request has no port");
    }
}

}  // namespace

void check(Draft& draft) {
    check_names(draft);
    check_interfaces(draft);
    check_pools(draft);
    check_addresses(draft);
    check_reach(draft);
    check_ports(draft);
    check_icmp_echo(draft);
}

}  // namespace dsr::config
