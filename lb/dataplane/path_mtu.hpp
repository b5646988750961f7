// "Fragmentation needed" (ICMP type 3 code 4, RFC 1191): what we tell clients whose packets do not fit on the way to
// their server, and what routers on that way tell us.
#pragma once

#include "lb/dataplane/forwarding_table.hpp"
#include "lb/dataplane/worker_state.hpp"

namespace dsr::lb {

// A worker's ICMP errors a second: enough for every client of a busy hour to learn its path's MTU, too few to hurt
// anyone.
inline constexpr std::uint32_t kIcmpErrorsPerSecond = 1000;

// Errors are sent about whole packets and first fragments of single hosts, never about errors (RFC 1122 section 3.2.2).
bool may_be_told(const wire::Ipv4View& about);

// Turns a packet that is too large into the ICMP error that tells its sender so, from the VIP, back by the interface it
// came in by. `mtu`: what fits, bytes. Only what may_be_told.
void answer_fragmentation_needed(const ForwardingTable& table, Packet& packet, const wire::Ipv4View& ip,
                                 std::uint32_t mtu);

// Whether an ICMP message to one of our own addresses says that a packet which we encapsulated for a server was too
// large.
bool is_tunnel_error(const ForwardingTable& table, const wire::Ipv4View& ip);

// Remembers it, and passes it on to the client whose packet that was, if the quote reaches so far: as an error about
// the client's own packet, back by the way it came, where the servers' replies come by, too (RFC 2003 section 4).
void handle_tunnel_error(const ForwardingTable& table, FlowTime now, Packet& packet, const wire::Ipv4View& ip,
                         WorkerState& state);

}  // namespace dsr::lb
