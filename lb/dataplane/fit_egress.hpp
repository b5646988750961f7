// Decides how a packet can leave: as it is, cut by the driver, or not at all; and finishes what a network card would
// have finished.
#pragma once

#include "lb/dataplane/classified.hpp"
#include "lb/dataplane/forwarding_table.hpp"
#include "lb/dataplane/offload.hpp"
#include "lb/dataplane/rate_limit.hpp"

namespace dsr::lb {

// For a packet that has room: finishes its checksum where a network card has not.
inline void finish(const Interface& ingress, Packet& packet, const Classified& found) {
    // A fragment has only part of what its checksum covers; whoever cut it has finished the checksum before.
    if (!ingress.software_offloads || found.ip->is_fragment()) return;
    const wire::Ipv4View ip = found.view();
    const std::size_t offset = static_cast<std::size_t>(ip.payload.data() - packet.data);
    finish_checksum(ip.header_bytes(), packet.mutable_bytes().subspan(offset, ip.payload.size()));
}

// For one that has none. False: it has another end.
bool fit_large(const ForwardingTable& table, FlowTime now, Packet& packet, const Classified& found, std::uint32_t room,
               RateLimit& icmp_errors);

// `room`: bytes that the way to the server has for the client's packet, on packet.egress. False: the packet has another
// end.
inline bool fit_egress(const ForwardingTable& table, FlowTime now, Packet& packet, const Classified& found,
                       std::uint32_t room, RateLimit& icmp_errors) {
    // The frame's length, which is at hand, says so of nearly all that fit.
    if (packet.length > room + sizeof(wire::EthernetHeader) && found.ip->total_length.host() > room) [[unlikely]]
        return fit_large(table, now, packet, found, room, icmp_errors);
    if (table.software_offloads) finish(table.interfaces[packet.ingress], packet, found);
    return true;
}

}  // namespace dsr::lb
