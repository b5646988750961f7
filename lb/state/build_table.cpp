#include "lb/state/build_table.hpp"

#include <algorithm>

namespace dsr::lb {
namespace {

Error too_many(const std::string& what) {
    return {"more different " + what + " since lb was started than there are numbers for; restart it"};
}

Server make_server(const config::Server& configured, std::uint16_t pool, const NextHop& hop, const Network& network) {
    Server server;
    server.address = configured.address;
    server.interface = hop.interface;
    server.macs.source = network.interfaces[hop.interface].mac;
    server.mtu = network.interfaces[hop.interface].mtu;
    server.on_link = hop.address == configured.address;
    const auto mac = network.macs.find(hop.address);
    if (configured.mac || mac != network.macs.end()) {
        server.macs.destination = configured.mac ? *configured.mac : mac->second;
        server.resolved = true;
    }
    if (configured.state != config::ServerState::disabled) server.pool = pool;
    server.takes_new_flows = configured.state == config::ServerState::enabled;
    server.outer = OuterHeader::between(network.interfaces[hop.interface].address.address, configured.address);
    return server;
}

// One pool's servers into table.servers; returns its ring.
Result<RingCache::Ring> add_pool(const config::Config& config, std::size_t index, const Network& network,
                                 Identities& identities, RingCache& rings, ForwardingTable& table) {
    const config::Pool& pool = config.pools[index];
    const auto number = static_cast<std::uint16_t>(index);
    for (const auto& configured : pool.servers) {
        const auto id = identities.server(pool.name, configured.address);
        if (!id) return std::unexpected(too_many("servers"));
        const auto hop = network.next_hops.find(configured.address);
        if (hop == network.next_hops.end())
            return fail("server '" + wire::to_string(configured.address) + "' of pool '" + pool.name +
                        "' cannot be reached: it is on no network of the load balancer's interfaces, and there is no "
                        "route to it through one of them");
        table.servers.resize(std::max<std::size_t>(table.servers.size(), *id + 1U));
        table.servers[*id] = make_server(configured, number, hop->second, network);
    }
    std::vector<RingCache::Member> members;
    for (const auto& member : ring_members(pool))
        members.push_back(
            {identities.server(pool.name, member.address).value_or(kNoServer), member.address, member.weight});
    return rings.get(pool.name, members, config.load_balancer.maglev_table_size);
}

Result<void> check_layer2_reach(const config::Pool& pool, const ForwardingTable& table, Identities& identities) {
    for (const auto& server : pool.servers)
        if (!table.servers[identities.server(pool.name, server.address).value_or(0)].on_link)
            return fail("server '" + wire::to_string(server.address) + "' of pool '" + pool.name +
                        "' is on no network of the load balancer's interfaces; Layer 2 DSR reaches only those");
    return {};
}

// The file was checked for that; addresses that the kernel has given are known only now.
Result<void> check_outer_source(const config::NetworkProfile& profile, const ForwardingTable& table) {
    for (const Interface& interface : table.interfaces)
        if (profile.outer_source && profile.outer_source->contains(interface.address.address))
            return fail("network profile '" + profile.name + "': outer_source '" +
                        wire::to_string(*profile.outer_source) + "' contains the interface's own address '" +
                        wire::to_string(interface.address.address) + "'");
    return {};
}

Result<void> add_service(const config::Config& config, const config::VirtualService& configured,
                         const RingCache::Ring& ring, Identities& identities, ForwardingTable& table) {
    const auto& profile = config.network_profiles[configured.network_profile];
    const auto id = identities.service(configured.name);
    const auto vip_id = identities.vip(configured.vip, profile.protocol);
    if (!id) return std::unexpected(too_many("virtual services"));
    if (!vip_id) return std::unexpected(too_many("VIPs"));
    const bool layer3 = profile.dsr_type == config::DsrType::l3;
    auto possible = layer3 ? check_outer_source(profile, table)
                           : check_layer2_reach(config.pools[configured.pool], table, identities);
    if (!possible) return possible;
    table.services.resize(std::max<std::size_t>(table.services.size(), *id + 1U));
    table.services[*id] = {.ring = ring,
                           .vip_id = *vip_id,
                           .idle_timeout = static_cast<std::uint16_t>(profile.session_idle_timeout.count()),
                           .pool = static_cast<std::uint16_t>(configured.pool),
                           .layer3 = layer3,
                           .per_packet = profile.per_packet,
                           .outer_source = profile.outer_source.value_or(wire::Ipv4Prefix{{}, 0})};
    Vip& vip = table.service_map.at(configured.vip);
    vip.forward_echo = configured.icmp_echo == config::IcmpEcho::forward;
    if (vip.with_servers == kNoId && ring && !ring->slots.empty()) vip.with_servers = *id;
    for (const auto& range : configured.ports)
        table.service_map.add(configured.vip, static_cast<std::uint8_t>(profile.protocol),
                              {range.first, range.last, *id});
    return {};
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

Result<RingCache::Ring> RingCache::get(const std::string& pool, const std::vector<Member>& members,
                                       std::uint32_t table_size) {
    Cached& cached = cached_[pool];
    if (cached.ring && cached.members == members && cached.table_size == table_size) return cached.ring;
    std::vector<ring::Server> servers;
    for (const auto& member : members)
        servers.push_back({member.address, member.weight});
    auto slots = ring::build_table(servers, table_size);
    if (!slots) return fail("pool '" + pool + "': " + slots.error());
    std::vector<ServerId> ids;
    for (const auto& member : members)
        ids.push_back(member.id);
    cached = {members, table_size, std::make_shared<const lb::Ring>(*std::move(slots), std::move(ids))};
    return cached.ring;
}

void RingCache::prune(const config::Config& config) {
    std::erase_if(cached_, [&](const auto& entry) {
        return std::ranges::find(config.pools, entry.first, &config::Pool::name) == config.pools.end();
    });
}

Result<std::unique_ptr<const ForwardingTable>> build_forwarding_table(const config::Config& config,
                                                                      const Network& network, bool active,
                                                                      Identities& identities, RingCache& rings) {
    if (config.pools.size() > kNoPool) return fail("more than 65535 pools");
    auto table = std::make_unique<ForwardingTable>();
    table->active = active;
    table->new_flows_per_second = config.load_balancer.new_flows_per_second;
    table->interfaces = network.interfaces;
    table->software_offloads = std::ranges::any_of(table->interfaces, &Interface::software_offloads);
    std::map<std::size_t, RingCache::Ring> ring_of_pool;
    for (const std::size_t pool : pools_in_use(config)) {
        auto ring = add_pool(config, pool, network, identities, rings, *table);
        if (!ring) return std::unexpected(ring.error());
        ring_of_pool[pool] = *ring;
    }
    for (const auto& service : config.virtual_services)
        if (auto added = add_service(config, service, ring_of_pool[service.pool], identities, *table); !added)
            return std::unexpected(added.error());
    return table;
}

}  // namespace dsr::lb
