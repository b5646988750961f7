// Answers ARP requests for VIPs (RFC 826), in place of the request's own bytes.
#pragma once

#include "lb/dataplane/forwarding_table.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

// Sets the verdict: answered for a request for a VIP while this balancer is active, else passed. Marks what the
// neighbor monitor may learn from: untagged messages only, as its own requests are, for another VLAN may use the same
// addresses.
void handle_arp(const ForwardingTable& table, Packet& packet, const wire::EthernetView& frame);

}  // namespace dsr::lb
