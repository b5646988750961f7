// The core: a burst of packets and a forwarding table in, rewritten bytes and one verdict a packet out.
// Pure but for the worker's own state that it is given: no I/O, clock, lock, allocation or exception. Live drivers,
// capture files, and fuzzers all run this.
#pragma once

#include <span>

#include "lb/dataplane/forwarding_table.hpp"
#include "lb/dataplane/packet.hpp"
#include "lb/dataplane/worker_state.hpp"

namespace dsr::lb {

// Decides about every packet of the burst (at most kBurstSize) and rewrites those that leave. Each has kHeadroom bytes
// in front of it. Service and server are noted in the packet; verdicts are counted later, by Counters::account, once
// the driver has sent what leaves.
void forward(const ForwardingTable& table, FlowTime now, std::span<Packet> burst, WorkerState& state);

}  // namespace dsr::lb
