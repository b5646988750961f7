#include "lb/state/build_table.hpp"

#include <algorithm>

namespace dsr::lb {
namespace {

Error too_many(const std::string& what) {
    return {"more than 65535 different " + what + " since lb was started"};
}

// One pool's servers into table.servers; returns its ring.
Result<RingCache::Ring> add_pool(const config::Config& config, const config::Pool& pool, const NeighborMacs& neighbors,
                                 Identities& identities, RingCache& rings, ForwardingTable& table) {
    for (const auto& configured : pool.servers) {
        const auto id = identities.server(pool.name, configured.address);
        if (!id) return std::unexpected(too_many("servers"));
        const auto interface = interface_towards(table.interfaces, configured.address);
        if (!interface)
            return fail("server '" + wire::to_string(configured.address) + "' of pool '" + pool.name +
                        "' is on no network of the load balancer's interfaces; Layer 2 DSR reaches only those");
        Server server;
        server.address = configured.address;
        server.interface = *interface;
        const auto neighbor = neighbors.find(configured.address);
        if (configured.mac || neighbor != neighbors.end()) {
            server.mac = configured.mac ? *configured.mac : neighbor->second;
            server.resolved = true;
        }
        server.keeps_flows = configured.state != config::ServerState::disabled;
        server.takes_new_flows = configured.state == config::ServerState::enabled;
        table.servers.resize(std::max<std::size_t>(table.servers.size(), *id + 1U));
        table.servers[*id] = server;
    }
    std::vector<RingCache::Member> members;
    for (const auto& member : ring_members(pool))
        members.push_back(
            {identities.server(pool.name, member.address).value_or(kNoId), member.address, member.weight});
    return rings.get(pool.name, members, config.load_balancer.maglev_table_size);
}

Result<void> add_service(const config::Config& config, const config::VirtualService& configured,
                         const RingCache::Ring& ring, Identities& identities, ForwardingTable& table) {
    const auto& profile = config.network_profiles[configured.network_profile];
    const auto id = identities.service(configured.name);
    const auto vip_id = identities.vip(configured.vip, profile.protocol);
    if (!id) return std::unexpected(too_many("virtual services"));
    if (!vip_id) return std::unexpected(too_many("VIPs"));
    table.services.resize(std::max<std::size_t>(table.services.size(), *id + 1U));
    table.services[*id] = {ring, *vip_id, static_cast<std::uint16_t>(profile.session_idle_timeout.count())};
    for (const auto& range : configured.ports)
        table.service_map.add(configured.vip, static_cast<std::uint8_t>(profile.protocol),
                              {range.first, range.last, *id});
    return {};
}

std::optional<std::string> unsupported_service(const config::Config& config) {
    for (const auto& service : config.virtual_services)
        if (config.network_profiles[service.network_profile].dsr_type == config::DsrType::l3)
            return "virtual service '" + service.name + "': this version of lb forwards dsr_type l2 only";
    return std::nullopt;
}

}  // namespace

std::set<std::size_t> pools_in_use(const config::Config& config) {
    std::set<std::size_t> pools;
    for (const auto& service : config.virtual_services)
        pools.insert(service.pool);
    return pools;
}

std::vector<ring::Server> ring_members(const config::Pool& pool) {
    std::vector<ring::Server> members;
    for (const auto& server : pool.servers)
        if (server.state == config::ServerState::enabled) members.push_back({server.address, server.weight});
    return members;
}

std::optional<std::string> unsupported(const config::Config& config) {
    if (config.load_balancer.driver != config::Driver::pcap)
        return "driver 'dpdk': this version of lb runs with driver 'pcap' only";
    return unsupported_service(config);
}

Result<RingCache::Ring> RingCache::get(const std::string& pool, const std::vector<Member>& members,
                                       std::uint32_t table_size) {
    Cached& cached = cached_[pool];
    if (cached.ring && cached.members == members && cached.table_size == table_size) return cached.ring;
    std::vector<ring::Server> servers;
    for (const auto& member : members)
        servers.push_back({member.address, member.weight});
    auto slots = ring::build_table(servers, table_size);
    if (!slots) return fail("pool '" + pool + "': " + slots.error());
    for (auto& slot : *slots)
        slot = members[slot].id;
    cached = {members, table_size, std::make_shared<const std::vector<ServerId>>(*std::move(slots))};
    return cached.ring;
}

std::optional<std::uint8_t> interface_towards(const std::vector<Interface>& interfaces, wire::Ipv4Address address) {
    for (std::size_t i = 0; i < interfaces.size(); ++i)
        if (interfaces[i].address.contains(address)) return static_cast<std::uint8_t>(i);
    return std::nullopt;
}

Result<std::unique_ptr<const ForwardingTable>> build_forwarding_table(const config::Config& config,
                                                                      const std::vector<Interface>& interfaces,
                                                                      const NeighborMacs& neighbors, bool active,
                                                                      Identities& identities, RingCache& rings) {
    if (const auto reason = unsupported_service(config)) return fail(*reason);
    auto table = std::make_unique<ForwardingTable>();
    table->active = active;
    table->interfaces = interfaces;
    std::map<std::size_t, RingCache::Ring> ring_of_pool;
    for (const std::size_t pool : pools_in_use(config)) {
        auto ring = add_pool(config, config.pools[pool], neighbors, identities, rings, *table);
        if (!ring) return std::unexpected(ring.error());
        ring_of_pool[pool] = *ring;
    }
    for (const auto& service : config.virtual_services)
        if (auto added = add_service(config, service, ring_of_pool[service.pool], identities, *table); !added)
            return std::unexpected(added.error());
    return table;
}

}  // namespace dsr::lb
