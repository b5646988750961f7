// Answers ARP requests for VIPs (RFC 826), in place of the request's own bytes.
#pragma once

#include "lb/dataplane/forwarding_table.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

// `arp` is the payload of `packet`'s frame. Sets the verdict: answered for a request for a VIP, else passed; marks
// what the neighbor monitor may learn from.
void handle_arp(const ForwardingTable& table, Packet& packet, wire::Bytes arp);

}  // namespace dsr::lb
