// Which server gets a packet: the one the flow already has, else the ring's choice for it.
#pragma once

#include "common/wire/flow_key.hpp"
#include "lb/dataplane/counters.hpp"
#include "lb/dataplane/flow_table.hpp"
#include "lb/dataplane/forwarding_table.hpp"

namespace dsr::lb {

struct FlowLookup {
    wire::FlowKey flow;
    std::uint64_t hash = 0;  // ring::flow_hash(flow)
    bool opens = false;      // a TCP SYN: the client starts anew, so a draining server need not keep it
};

// The ring's choice alone, or kNoId when no server takes new flows.
ServerId ring_server(const Service& service, std::uint64_t flow_hash);

// Flow table first, ring on a miss; remembers and refreshes the flow. kNoId when no server takes it.
ServerId choose_server(const ForwardingTable& table, const Service& service, const FlowLookup& lookup, FlowTime now,
                       FlowTable& flows, Counters& counters);

}  // namespace dsr::lb
