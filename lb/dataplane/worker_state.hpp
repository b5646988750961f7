// What a worker remembers from one packet to the next, beside the forwarding table that it is given.
#pragma once

#include <array>
#include <cstdint>

#include "lb/dataplane/classified.hpp"
#include "lb/dataplane/counters.hpp"
#include "lb/dataplane/driver.hpp"
#include "lb/dataplane/flow_table.hpp"
#include "lb/dataplane/fragments.hpp"
#include "lb/dataplane/rate_limit.hpp"
#include "lb/dataplane/tunnel_mtu.hpp"

namespace dsr::lb {

struct WorkerState {
    // `frame_size`: of the largest frame that may have to wait as a fragment, in bytes.
    WorkerState(std::size_t flow_table_entries, std::size_t frame_size)
        : flows(flow_table_entries), fragments(frame_size) {}

    FlowTable flows;
    Fragments fragments;
    TunnelMtus tunnel_mtus;
    RateLimit new_flows;
    RateLimit icmp_errors;        // that we send because of our own MTU
    RateLimit tunnel_errors;      // of routers, that we look at
    std::uint64_t datagrams = 0;  // of services that hash each anew
    Counters counters;
    // Of the burst that is worked on. Here because on the stack it would be filled with zeros for each.
    std::array<Classified, kBurstSize> found;
};

}  // namespace dsr::lb
