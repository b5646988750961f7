// ICMP for VIPs (RFC 792): errors follow the flow that they quote, echo requests are answered or go to a server.
#pragma once

#include "lb/dataplane/classified.hpp"
#include "lb/dataplane/forwarding_table.hpp"

namespace dsr::lb {

// For an ICMP message to a VIP that is whole or a first fragment.
void classify_icmp(const ForwardingTable& table, const Vip& vip, Packet& packet, Classified& found);

// A ping of our own address, where no kernel answers it. Anything else is left as it is.
void answer_own_echo(const ForwardingTable& table, Packet& packet, const wire::Ipv4View& ip);

}  // namespace dsr::lb
