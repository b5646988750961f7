#include "lb/state/diff.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "lb/state/build_table.hpp"

namespace dsr::lb {
namespace {

// A pool as one of the files has it; without servers where the file has no such pool.
struct Side {
    const config::Pool* pool = nullptr;
    std::uint32_t table_size = 0;
    std::vector<wire::Ipv4Address> owners;  // by slot; empty when no server takes new flows
};

Result<Side> side_of(const config::Config& config, const config::Pool* pool) {
    Side side{pool, config.load_balancer.maglev_table_size, {}};
    if (pool == nullptr) return side;
    const auto members = ring_members(*pool);
    const auto table = ring::build_table(members, side.table_size);
    if (!table) return fail("pool '" + pool->name + "': " + table.error());
    side.owners.reserve(table->size());
    for (const auto entry : *table)
        side.owners.push_back(members[entry].address);
    return side;
}

std::optional<wire::Ipv4Address> owner(const Side& side, std::size_t slot) {
    if (side.owners.empty()) return std::nullopt;
    return side.owners[slot];
}

// Walks both tables through the 2^32 hash values at once: a slot is the run of hashes that slot_of gives it, and the
// product of a hash and a table size tells where the run ends.
double moved_share_of_hashes(const Side& before, const Side& after) {
    constexpr std::uint64_t kHashes = std::uint64_t{1} << 32U;
    const auto end_of = [](std::uint64_t slot, std::uint64_t slots) {
        return ((slot + 1) * kHashes + slots - 1) / slots;
    };
    std::uint64_t moved = 0;
    std::uint64_t hash = 0;
    for (std::uint32_t i = 0, j = 0; hash < kHashes;) {
        const std::uint64_t end_before = end_of(i, before.table_size);
        const std::uint64_t end_after = end_of(j, after.table_size);
        const std::uint64_t end = std::min(end_before, end_after);
        if (owner(before, i) != owner(after, j)) moved += end - hash;
        hash = end;
        i += end == end_before ? 1U : 0U;
        j += end == end_after ? 1U : 0U;
    }
    return static_cast<double>(moved) / static_cast<double>(kHashes);
}

void count_moved(const Side& before, const Side& after, PoolDifference& pool) {
    if (before.table_size != after.table_size) {
        pool.slots_moved_share = moved_share_of_hashes(before, after);
        pool.slots_moved = static_cast<std::uint32_t>(
            std::lround(pool.slots_moved_share * std::max(before.table_size, after.table_size)));
        return;
    }
    for (std::uint32_t slot = 0; slot < before.table_size; ++slot)
        if (owner(before, slot) != owner(after, slot)) ++pool.slots_moved;
    pool.slots_moved_share = static_cast<double>(pool.slots_moved) / before.table_size;
}

std::vector<ServerDifference> servers_of(const Side& before, const Side& after) {
    std::map<wire::Ipv4Address, ServerDifference> servers;
    const auto at = [&](wire::Ipv4Address address) -> ServerDifference& {
        auto& server = servers[address];
        server.address = address;
        return server;
    };
    if (before.pool != nullptr)
        for (const auto& server : before.pool->servers)
            at(server.address).state_before = server.state;
    if (after.pool != nullptr)
        for (const auto& server : after.pool->servers)
            at(server.address).state_after = server.state;
    for (const auto address : before.owners)
        ++servers[address].slots_before;
    for (const auto address : after.owners)
        ++servers[address].slots_after;
    std::vector<ServerDifference> sorted;
    for (const auto& [address, server] : servers)
        sorted.push_back(server);
    return sorted;
}

Change change_of(bool in_before, bool in_after, bool same) {
    if (!in_before) return Change::added;
    if (!in_after) return Change::removed;
    return same ? Change::none : Change::changed;
}

Result<PoolDifference> pool_difference(const std::string& name, Result<Side> before, Result<Side> after) {
    if (!before) return std::unexpected(before.error());
    if (!after) return std::unexpected(after.error());
    // A pool that one file lacks has no ring there, and so no size to compare.
    if (before->pool == nullptr) before->table_size = after->table_size;
    if (after->pool == nullptr) after->table_size = before->table_size;
    PoolDifference pool;
    pool.name = name;
    pool.table_size_before = before->table_size;
    pool.table_size_after = after->table_size;
    count_moved(*before, *after, pool);
    pool.servers = servers_of(*before, *after);
    const bool same = pool.slots_moved_share == 0 && std::ranges::all_of(pool.servers, [](const auto& server) {
                          return server.state_before == server.state_after;
                      });
    pool.change = change_of(before->pool != nullptr, after->pool != nullptr, same);
    return pool;
}

std::optional<ServiceFacts> facts(const config::Config& config, const config::VirtualService* service) {
    if (service == nullptr) return std::nullopt;
    const auto& profile = config.network_profiles[service->network_profile];
    return ServiceFacts{service->vip,       profile.protocol,
                        service->ports,     profile.name,
                        profile.dsr_type,   profile.session_idle_timeout,
                        profile.per_packet, profile.outer_source,
                        service->icmp_echo, config.pools[service->pool].name};
}

// Everything that either list names: name -> (before, after), nullptr where a list lacks it.
template <typename Named>
std::map<std::string, std::pair<const Named*, const Named*>> paired(const std::vector<Named>& before,
                                                                    const std::vector<Named>& after) {
    std::map<std::string, std::pair<const Named*, const Named*>> pairs;
    for (const auto& one : before)
        pairs[one.name].first = &one;
    for (const auto& one : after)
        pairs[one.name].second = &one;
    return pairs;
}

}  // namespace

bool ServerDifference::loses_flows() const {
    const auto keeps = [](const auto& state) { return state && *state != config::ServerState::disabled; };
    return keeps(state_before) && !keeps(state_after);
}

Result<Difference> difference(const config::Config& before, const config::Config& after) {
    Difference result;
    for (const auto& [name, pools] : paired(before.pools, after.pools)) {
        auto pool = pool_difference(name, side_of(before, pools.first), side_of(after, pools.second));
        if (!pool) return std::unexpected(pool.error());
        result.pools.push_back(*std::move(pool));
    }
    for (const auto& [name, services] : paired(before.virtual_services, after.virtual_services)) {
        ServiceDifference service{name, Change::none, facts(before, services.first), facts(after, services.second)};
        service.change =
            change_of(service.before.has_value(), service.after.has_value(), service.before == service.after);
        result.services.push_back(std::move(service));
    }
    const config::LoadBalancer& old_settings = before.load_balancer;
    const config::LoadBalancer& new_settings = after.load_balancer;
    if (old_settings.neighbors != new_settings.neighbors) result.settings.emplace_back("neighbors");
    if (old_settings.new_flows_per_second != new_settings.new_flows_per_second)
        result.settings.emplace_back("new_flows_per_second");
    return result;
}

}  // namespace dsr::lb
