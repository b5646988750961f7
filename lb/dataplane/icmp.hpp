// ICMP for VIPs (RFC 792): errors follow the flow that they quote, echo requests are answered or go to a server.
#pragma once

#include "lb/dataplane/classified.hpp"
#include "lb/dataplane/forwarding_table.hpp"

namespace dsr::lb {

// For an ICMP message to a VIP that is whole or a first fragment.
void classify_icmp(const ForwardingTable& table, const Vip& vip, Packet& packet, Classified& found);

}  // namespace dsr::lb
