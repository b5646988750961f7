#include "lb/dataplane/fit_egress.hpp"

#include <algorithm>

#include "lb/dataplane/cutter.hpp"
#include "lb/dataplane/path_mtu.hpp"

namespace dsr::lb {
namespace {

bool cut_segments(Packet& packet, const Classified& found, std::uint32_t room) {
    // The segments get right checksums; a wrong one must not be mended by that.
    if (!checksum_unfinished_or_right(found.view())) return packet.drop(Drop::tcp_checksum), false;
    packet.piece_payload = segment_payload(found.view(), found.tcp_header_length, room);
    if (packet.piece_payload == 0) return packet.drop(Drop::exceeds_mtu), false;
    packet.cut = Cut::segments;
    return true;
}

bool cut_fragments(const Interface& ingress, Packet& packet, const Classified& found, std::uint32_t room) {
    packet.piece_payload = fragment_payload(found.view(), room);
    // A fragment beyond the largest datagram: the offsets of its pieces would not fit their field.
    if (found.ip->fragment_offset() + found.view().payload.size() > 0xffff)
        return packet.drop(Drop::exceeds_mtu), false;
    if (packet.piece_payload == 0) return packet.drop(Drop::exceeds_mtu), false;
    finish(ingress, packet, found);
    packet.cut = Cut::fragments;
    return true;
}

}  // namespace

bool fit_large(const ForwardingTable& table, FlowTime now, Packet& packet, const Classified& found, std::uint32_t room,
               RateLimit& icmp_errors) {
    const Interface& ingress = table.interfaces[packet.ingress];
    const std::size_t size = found.ip->total_length.host();
    const bool fragment = found.ip->is_fragment();
    // Larger than any packet on this link: several that offloads have joined. What is smaller may still be joined where
    // the egress MTU is below the ingress one, and TCP can always be cut.
    if (ingress.software_offloads && found.tcp_header_length != 0 && !fragment &&
        size > std::min(ingress.mtu, table.interfaces[packet.egress].mtu))
        return cut_segments(packet, found, room);
    // Either several datagrams that receive offload has joined, or one that a kernel has put together from fragments.
    if (size > ingress.mtu && found.ip->protocol == wire::kProtocolUdp && !fragment &&
        !udp_checksum_right(found.view()))
        return packet.drop(Drop::udp_super_frame), false;
    if (!found.ip->dont_fragment()) return cut_fragments(ingress, packet, found, room);
    if (!may_be_told(found.view()) || !icmp_errors.take(now, kIcmpErrorsPerSecond))
        return packet.drop(Drop::exceeds_mtu), false;
    answer_fragmentation_needed(table, packet, found.view(), room);
    return false;
}

}  // namespace dsr::lb
