// The first look at a frame: what is it, and how does its server have to be found?
#pragma once

#include "lb/dataplane/classified.hpp"
#include "lb/dataplane/counters.hpp"
#include "lb/dataplane/forwarding_table.hpp"

namespace dsr::lb {

// Sets packet.service and `found` for what goes to a server, else the packet's verdict.
void classify(const ForwardingTable& table, Packet& packet, Classified& found, Counters& counters);

}  // namespace dsr::lb
