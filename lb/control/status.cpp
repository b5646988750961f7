#include "lb/control/status.hpp"

#include "common/ring/maglev.hpp"

namespace dsr::lb {
namespace {

Json mac_or_null(const std::optional<wire::MacAddress>& mac) {
    return mac ? Json(wire::to_string(*mac)) : Json(nullptr);
}

Json server_entry(const config::Server& server, const NeighborMonitor& neighbors, const AllCounters::Member& counts) {
    const auto neighbor = neighbors.neighbors().find(server.address);
    const bool known = neighbor != neighbors.neighbors().end();
    return {{"address", wire::to_string(server.address)},
            {"mac", mac_or_null(known ? neighbor->second.mac : server.mac)},
            {"packets", counts.packets},
            {"bounced", counts.bounced}};
}

// How many slots of the ring each server of the pool has, in the order of its servers.
std::vector<std::uint32_t> slots_of(const config::Pool& pool, std::uint32_t table_size) {
    std::vector<std::uint32_t> weights;
    for (const auto& server : pool.servers)
        weights.push_back(server.state == config::ServerState::enabled ? server.weight : 0);
    return ring::slot_quotas(weights, table_size);
}

// Of all services that use the pool.
std::uint64_t packets_of(const config::Config& config, std::size_t pool, const config::Server& server,
                         Balancer& balancer) {
    std::uint64_t packets = 0;
    const AllCounters counters = balancer.counters();
    const auto id = balancer.identities().server(config.pools[pool].name, server.address).value_or(kNoServer);
    for (const auto& service : config.virtual_services) {
        if (service.pool != pool) continue;
        const ServiceId service_id = balancer.identities().service(service.name).value_or(kNoId);
        packets += counters.member(service_id, id).packets;
    }
    return packets;
}

}  // namespace

Json verdict_counts(const AllCounters& counters) {
    // Received is the sum of what is read here: the workers count on meanwhile, and a document must add up.
    std::uint64_t received = 0;
    const auto read = [&](auto of) {
        const std::uint64_t count = counters.sum(of);
        received += count;
        return count;
    };
    Json ends = Json::object();
    for (const auto verdict : {Verdict::forwarded, Verdict::answered, Verdict::passed})
        ends[std::string(name(verdict))] =
            read([verdict](const Counters& one) -> auto& { return one.verdicts[static_cast<std::size_t>(verdict)]; });
    Json dropped = Json::object();
    for (std::size_t reason = 0; reason < kDropCount; ++reason)
        if (const auto count = read([reason](const Counters& one) -> auto& { return one.dropped[reason]; }); count > 0)
            dropped[std::string(name(static_cast<Drop>(reason)))] = count;
    Json document = {{"received", received}};
    document.update(ends);
    document["dropped"] = dropped;
    return document;
}

std::vector<std::vector<sys::Cell>> verdict_rows(const Json& counts) {
    using sys::Cell;
    std::vector<std::vector<Cell>> rows;
    for (const char* key : {"received", "forwarded", "answered", "passed"})
        rows.push_back({Cell{key}, Cell{counts[key].dump()}});
    for (const auto& [reason, count] : counts["dropped"].items())
        rows.push_back({Cell{"dropped: " + reason, sys::Colour::yellow}, Cell{count.dump()}});
    return rows;
}

std::string ports_text(const std::vector<config::PortRange>& ports) {
    std::string text;
    for (const auto& range : ports) {
        text += (text.empty() ? "" : ",") + std::to_string(range.first);
        if (range.last != range.first) text += "-" + std::to_string(range.last);
    }
    return text;
}

std::string_view protocol_text(config::Protocol protocol) {
    return protocol == config::Protocol::tcp ? "tcp" : "udp";
}

std::string_view state_text(config::ServerState state) {
    switch (state) {
        case config::ServerState::enabled:
            return "enabled";
        case config::ServerState::draining:
            return "draining";
        case config::ServerState::disabled:
            return "disabled";
    }
    return "unknown";
}

Json counters_document(const config::Config& config, Identities& identities, const NeighborMonitor& neighbors,
                       const AllCounters& counters) {
    Json document = verdict_counts(counters);
    Json answers = Json::object();
    for (std::size_t kind = 0; kind < kAnswerCount; ++kind)
        answers[std::string(name(static_cast<Answer>(kind)))] =
            counters.sum([kind](const Counters& one) -> auto& { return one.answers[kind]; });
    document["answers"] = answers;
    document["new_flows"] = counters.sum([](const Counters& one) -> auto& { return one.new_flows; });
    document["flow_table_full"] = counters.sum([](const Counters& one) -> auto& { return one.flow_table_full; });
    document["flow_limit"] = counters.sum([](const Counters& one) -> auto& { return one.flow_limit; });
    Json services = Json::array();
    for (const auto& service : config.virtual_services) {
        const config::Pool& pool = config.pools[service.pool];
        Json entry = {{"name", service.name},
                      {"vip", wire::to_string(service.vip)},
                      {"protocol", protocol_text(config.network_profiles[service.network_profile].protocol)},
                      {"ports", ports_text(service.ports)}};
        const ServiceId id = identities.service(service.name).value_or(0);  // known since the table was built
        entry["packets"] = counters.sum([id](const Counters& one) -> auto& { return one.services[id].packets; });
        entry["return_packets"] =
            counters.sum([id](const Counters& one) -> auto& { return one.services[id].return_packets; });
        entry["servers"] = Json::array();
        for (const auto& server : pool.servers) {
            const ServerId server_id = identities.server(pool.name, server.address).value_or(0);
            entry["servers"].push_back(server_entry(server, neighbors, counters.member(id, server_id)));
        }
        services.push_back(entry);
    }
    document["services"] = services;
    return document;
}

Json servers_document(Balancer& balancer) {
    const config::Config& config = balancer.config();
    Json document = Json::array();
    for (std::size_t p = 0; p < config.pools.size(); ++p) {
        const config::Pool& pool = config.pools[p];
        const auto slots = slots_of(pool, config.load_balancer.maglev_table_size);
        for (std::size_t s = 0; s < pool.servers.size(); ++s) {
            const config::Server& server = pool.servers[s];
            const auto hop = balancer.next_hops().find(server.address);
            const bool reached = hop != balancer.next_hops().end();
            const auto& neighbors = balancer.neighbors().neighbors();
            const auto neighbor = reached ? neighbors.find(hop->second.address) : neighbors.end();
            document.push_back(
                {{"pool", pool.name},
                 {"address", wire::to_string(server.address)},
                 {"state", state_text(server.state)},
                 {"file_state", state_text(balancer.file_config().pools[p].servers[s].state)},
                 {"weight", server.weight},
                 {"slots", slots[s]},
                 {"slots_share", static_cast<double>(slots[s]) / config.load_balancer.maglev_table_size},
                 {"next_hop", reached ? Json(wire::to_string(hop->second.address)) : Json(nullptr)},
                 {"mac", neighbor != neighbors.end() ? mac_or_null(neighbor->second.mac) : mac_or_null(server.mac)},
                 {"packets", packets_of(config, p, server, balancer)}});
        }
    }
    return document;
}

Json neighbors_document(const std::vector<HostInterface>& interfaces, const NeighborMonitor& neighbors) {
    Json document = Json::array();
    for (const auto& [address, neighbor] : neighbors.neighbors())
        document.push_back({{"address", wire::to_string(address)},
                            {"interface", interfaces[neighbor.interface].name},
                            {"state", name(neighbor.state)},
                            {"mac", mac_or_null(neighbor.mac)}});
    return document;
}

Json interfaces_document(const std::vector<HostInterface>& interfaces, const std::vector<InterfaceState>& states) {
    Json document = Json::array();
    for (std::size_t i = 0; i < interfaces.size(); ++i) {
        const HostInterface& host = interfaces[i];
        const InterfaceState& state = states[i];
        Json entry = {{"name", host.name},
                      {"link", state.link ? "up" : "down"},
                      {"mac", wire::to_string(host.interface.mac)},
                      {"address", wire::to_string(host.interface.address)},
                      {"mtu", host.interface.mtu},
                      {"gateway", host.gateway ? Json(wire::to_string(*host.gateway)) : Json(nullptr)},
                      {"kernel_dropped", state.dropped}};
        entry["kernel_interface"] = nullptr;
        if (!host.kernel_interface.empty())
            entry["kernel_interface"] = {{"name", host.kernel_interface},
                                         {"to_kernel", state.to_kernel},
                                         {"from_kernel", state.from_kernel},
                                         {"dropped", state.kernel_dropped}};
        document.push_back(std::move(entry));
    }
    return document;
}

}  // namespace dsr::lb
