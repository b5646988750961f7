#include "lb/dataplane/choose_server.hpp"

#include "common/ring/flow_hash.hpp"

namespace dsr::lb {
namespace {

FlowTable::Entry* remember(const ForwardingTable& table, const Service& service, const FlowLookup& lookup, FlowTime now,
                           WorkerState& state) {
    if (lookup.event == FlowEvent::rst) return nullptr;  // it ends a flow that is not known
    if (!state.new_flows.take(now, table.new_flows_per_second)) {
        state.counters.flow_limit.add();
        return nullptr;
    }
    auto* entry = state.flows.insert(lookup.key, service.vip_id, lookup.hash, now);
    (entry != nullptr ? state.counters.new_flows : state.counters.flow_table_full).add();
    return entry;
}

}  // namespace

ServerId ring_server(const Service& service, std::uint64_t flow_hash) {
    if (!service.ring || service.ring->slots.empty()) return kNoServer;
    const auto& slots = service.ring->slots;
    return service.ring->servers[slots[ring::slot_of(flow_hash, static_cast<std::uint32_t>(slots.size()))]];
}

Chosen choose_anew(const ForwardingTable& table, const Service& service, const FlowLookup& lookup, FlowTime now,
                   WorkerState& state, FlowTable::Entry* entry) {
    const Chosen choice = chosen(table, ring_server(service, lookup.hash));
    if (choice.server == nullptr) return choice;
    if (entry == nullptr) entry = remember(table, service, lookup, now, state);
    if (entry != nullptr) {
        entry->server = choice.id & kNoServer;  // 24 bits
        FlowTable::advance(*entry, lookup.event, now, service.idle_timeout);
    }
    return choice;
}

ServerId server_of_flow(const ForwardingTable& table, const Service& service, const FlowLookup& lookup, FlowTime now,
                        FlowTable& flows) {
    const FlowTable::Entry* entry = flows.find(lookup.key, service.vip_id, lookup.hash, now);
    return keeper(table, service, entry) != nullptr ? entry->server : ring_server(service, lookup.hash);
}

}  // namespace dsr::lb
