#include "lb/control/status.hpp"

namespace dsr::lb {
namespace {

Json mac_or_null(const std::optional<wire::MacAddress>& mac) {
    return mac ? Json(wire::to_string(*mac)) : Json(nullptr);
}

// `counts`: null when the server got nothing of this service yet.
Json server_entry(const config::Server& server, const NeighborMonitor& neighbors, const MemberCounts* counts) {
    const auto neighbor = neighbors.neighbors().find(server.address);
    const bool known = neighbor != neighbors.neighbors().end();
    return {{"address", wire::to_string(server.address)},
            {"mac", mac_or_null(known ? neighbor->second.mac : server.mac)},
            {"packets", counts != nullptr ? counts->packets.get() : 0},
            {"bounced", counts != nullptr ? counts->bounced.get() : 0}};
}

}  // namespace

Json verdict_counts(const Counters& counters) {
    // Received is the sum of what is read here: the worker counts on meanwhile, and a document must add up.
    std::uint64_t received = 0;
    const auto read = [&received](const Counter& counter) {
        const std::uint64_t count = counter.get();
        received += count;
        return count;
    };
    Json ends = Json::object();
    for (const auto verdict : {Verdict::forwarded, Verdict::answered, Verdict::passed})
        ends[std::string(name(verdict))] = read(counters.verdicts[static_cast<std::size_t>(verdict)]);
    Json dropped = Json::object();
    for (std::size_t reason = 0; reason < kDropCount; ++reason)
        if (const auto count = read(counters.dropped[reason]); count > 0)
            dropped[std::string(name(static_cast<Drop>(reason)))] = count;
    Json document = {{"received", received}};
    document.update(ends);
    document["dropped"] = dropped;
    return document;
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

Json counters_document(const config::Config& config, Identities& identities, const NeighborMonitor& neighbors,
                       const Counters& counters) {
    Json document = verdict_counts(counters);
    document["new_flows"] = counters.new_flows.get();
    document["flow_table_full"] = counters.flow_table_full.get();
    Json services = Json::array();
    for (const auto& service : config.virtual_services) {
        const config::Pool& pool = config.pools[service.pool];
        Json entry = {{"name", service.name},
                      {"vip", wire::to_string(service.vip)},
                      {"protocol", protocol_text(config.network_profiles[service.network_profile].protocol)},
                      {"ports", ports_text(service.ports)}};
        const ServiceId id = identities.service(service.name).value_or(0);  // known since the table was built
        entry["packets"] = counters.services[id].packets.get();
        entry["return_packets"] = counters.services[id].return_packets.get();
        entry["servers"] = Json::array();
        for (const auto& server : pool.servers) {
            const ServerId server_id = identities.server(pool.name, server.address).value_or(0);
            entry["servers"].push_back(server_entry(server, neighbors, counters.members.find(id, server_id)));
        }
        services.push_back(entry);
    }
    document["services"] = services;
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

Json interfaces_document(const std::vector<HostInterface>& interfaces, const KernelDrops& drops) {
    Json document = Json::array();
    for (std::size_t i = 0; i < interfaces.size(); ++i) {
        const HostInterface& host = interfaces[i];
        document.push_back({{"name", host.name},
                            {"mac", wire::to_string(host.interface.mac)},
                            {"address", wire::to_string(host.interface.address)},
                            {"mtu", host.interface.mtu},
                            {"gateway", host.gateway ? Json(wire::to_string(*host.gateway)) : Json(nullptr)},
                            {"kernel_dropped", i < drops.size() ? drops[i] : 0}});
    }
    return document;
}

}  // namespace dsr::lb
