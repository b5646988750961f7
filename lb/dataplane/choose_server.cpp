#include "lb/dataplane/choose_server.hpp"

#include "common/ring/flow_hash.hpp"

namespace dsr::lb {

ServerId ring_server(const Service& service, std::uint64_t flow_hash) {
    if (!service.ring || service.ring->empty()) return kNoId;
    return (*service.ring)[ring::slot_of(flow_hash, static_cast<std::uint32_t>(service.ring->size()))];
}

ServerId choose_server(const ForwardingTable& table, const Service& service, const FlowLookup& lookup, FlowTime now,
                       FlowTable& flows, Counters& counters) {
    FlowTable::Entry* entry = flows.find(lookup.flow, service.vip_id, lookup.hash, now);
    if (entry != nullptr && entry->server < table.servers.size()) {
        const Server& server = table.servers[entry->server];
        if (server.keeps_flows && (server.takes_new_flows || !lookup.opens)) [[likely]] {
            FlowTable::touch(*entry, now, service.idle_timeout);
            return entry->server;
        }
    }
    const ServerId chosen = ring_server(service, lookup.hash);
    if (chosen == kNoId) return kNoId;
    if (entry == nullptr) {
        entry = flows.insert(lookup.flow, service.vip_id, lookup.hash, now);
        (entry != nullptr ? counters.new_flows : counters.flow_table_full).add();
    }
    if (entry != nullptr) {
        entry->server = chosen;
        FlowTable::touch(*entry, now, service.idle_timeout);
    }
    return chosen;
}

}  // namespace dsr::lb
