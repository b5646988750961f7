#include "lb/state/operator_states.hpp"

#include <algorithm>

namespace dsr::lb {
namespace {

template <typename Items, typename Text>
std::string listed(const Items& items, Text text_of) {
    std::string list;
    for (const auto& item : items)
        list += (list.empty() ? "" : ", ") + text_of(item);
    return list;
}

}  // namespace

Result<void> OperatorStates::set(const config::Config& config, const std::string& pool, wire::Ipv4Address server,
                                 config::ServerState state) {
    const auto found = std::ranges::find(config.pools, pool, &config::Pool::name);
    if (found == config.pools.end())
        return fail("there is no pool '" + pool +
                    "'; there are: " + listed(config.pools, [](const auto& one) { return one.name; }));
    const auto member = std::ranges::find(found->servers, server, &config::Server::address);
    if (member == found->servers.end())
        return fail("pool '" + pool + "' has no server '" + wire::to_string(server) + "'; it has: " +
                    listed(found->servers, [](const auto& one) { return wire::to_string(one.address); }));
    states_[{pool, server}] = state;  // also when the file says the same now: it may say something else later
    return {};
}

config::Config OperatorStates::apply(config::Config config) const {
    for (auto& pool : config.pools)
        for (auto& server : pool.servers)
            if (const auto state = states_.find({pool.name, server.address}); state != states_.end())
                server.state = state->second;
    return config;
}

void OperatorStates::prune(const config::Config& config) {
    std::erase_if(states_, [&](const auto& entry) {
        const auto pool = std::ranges::find(config.pools, entry.first.first, &config::Pool::name);
        return pool == config.pools.end() ||
               std::ranges::find(pool->servers, entry.first.second, &config::Server::address) == pool->servers.end();
    });
}

}  // namespace dsr::lb
