// Which server gets a packet: the one the flow already has, else the ring's choice for it.
#pragma once

#include "lb/dataplane/classified.hpp"
#include "lb/dataplane/forwarding_table.hpp"
#include "lb/dataplane/worker_state.hpp"

namespace dsr::lb {

// The ring's choice alone, or kNoServer when no server takes new flows.
ServerId ring_server(const Service& service, std::uint64_t flow_hash);

// A new connection from the port of one that has ended: a draining server need not take it. A SYN of a flow that is
// half open is the same one sent again, and one of an established flow may be forged.
inline bool opens_anew(const FlowTable::Entry& entry, FlowEvent event) {
    return event == FlowEvent::syn && (entry.state == FlowState::closing || entry.state == FlowState::reset);
}

// Whether a server still is one of the service's, for flows that it has.
inline bool serves(const Server& server, const Service& service) {
    return server.pool == service.pool;
}

// Null and kNoServer: none.
struct Chosen {
    const Server* server = nullptr;
    ServerId id = kNoServer;
};
inline Chosen chosen(const ForwardingTable& table, ServerId id) {
    return {id == kNoServer ? nullptr : &table.servers[id], id};
}

// The server that a flow has and may keep, or null.
inline const Server* keeper(const ForwardingTable& table, const Service& service, const FlowTable::Entry* entry) {
    if (entry == nullptr || entry->server >= table.servers.size()) return nullptr;
    const Server& server = table.servers[entry->server];
    return serves(server, service) ? &server : nullptr;
}

// The ring's choice for a flow that has no server or may not keep it: `entry`, null when the flow is new.
Chosen choose_anew(const ForwardingTable& table, const Service& service, const FlowLookup& lookup, FlowTime now,
                   WorkerState& state, FlowTable::Entry* entry);

// Flow table first, ring on a miss; remembers and refreshes the flow.
inline Chosen choose_server(const ForwardingTable& table, const Service& service, const FlowLookup& lookup,
                            FlowTime now, WorkerState& state) {
    FlowTable::Entry* entry = state.flows.find(lookup.key, service.vip_id, lookup.hash, now);
    const Server* server = keeper(table, service, entry);
    if (server == nullptr) [[unlikely]]
        return choose_anew(table, service, lookup, now, state, entry);
    if (!FlowTable::refresh(*entry, lookup.event, now, service.idle_timeout)) [[unlikely]] {
        if (opens_anew(*entry, lookup.event) && !server->takes_new_flows)
            return choose_anew(table, service, lookup, now, state, entry);
        FlowTable::advance(*entry, lookup.event, now, service.idle_timeout);
    }
    return {server, entry->server};
}

// The server that the flow has, or would get; remembers and refreshes nothing.
ServerId server_of_flow(const ForwardingTable& table, const Service& service, const FlowLookup& lookup, FlowTime now,
                        FlowTable& flows);

}  // namespace dsr::lb
