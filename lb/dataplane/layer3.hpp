// Layer 3 DSR: the client's packet, whole, inside one from us to the server (IP-in-IP, RFC 2003).
#pragma once

#include <cstring>

#include "common/wire/checksum.hpp"
#include "common/wire/headers.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

inline constexpr std::size_t kOuterLength = sizeof(wire::Ipv4Header);  // what a tunnel takes of the MTU

// What the outer headers to one server have in common, with the sum of their 16-bit words.
struct OuterHeader {
    wire::Ipv4Address source;
    wire::Ipv4Address destination;
    std::uint32_t sum = 0;  // below 3 * 2^16, so that with four words more it is soon folded

    static OuterHeader between(wire::Ipv4Address source, wire::Ipv4Address destination) {
        const wire::be16 ttl_and_protocol(static_cast<std::uint16_t>(unsigned{kTtl} << 8U | wire::kProtocolIpip));
        const std::uint64_t addresses = wire::ChecksumSum{source.network().raw()} + destination.network().raw();
        return {source, destination, std::uint32_t{wire::checksum_fold(addresses)} + ttl_and_protocol.raw()};
    }
};

// An address of the prefix for a flow; never the prefix's first or last one, which are no host's.
inline wire::Ipv4Address outer_source(const wire::Ipv4Prefix& prefix, std::uint64_t flow_hash) {
    const std::uint32_t hosts = ~prefix.mask() - 1;  // addresses that may be used, numbered from 1
    const auto number = static_cast<std::uint32_t>(((flow_hash & 0xffffffffU) * hosts) >> 32U) + 1;
    return wire::Ipv4Address::from_host(prefix.network().host() | number);
}

// The client's identification, which differs from packet to packet, set apart from other clients' by the hash.
inline std::uint16_t outer_id(const wire::Ipv4Header& inner, std::uint64_t flow_hash) {
    return static_cast<std::uint16_t>(inner.id.host() + inner.fragment_offset() / 8 + (flow_hash >> 16U));
}

// Writes everything but addresses, TTL and protocol, and the checksum of all. `id` counts only where DF is clear: a
// packet that cannot be fragmented needs none (RFC 6864 section 4.1).
inline void finish_outer(wire::Ipv4Header& outer, const OuterHeader& common, const wire::Ipv4Header& inner,
                         std::size_t inner_length, std::uint16_t id) {
    const bool dont_fragment = inner.dont_fragment();
    const wire::be16 first(static_cast<std::uint16_t>(0x4500U | inner.tos));
    outer.version_and_length = 0x45;
    outer.tos = inner.tos;
    outer.total_length = wire::be16(static_cast<std::uint16_t>(inner_length + kOuterLength));
    outer.id = wire::be16(dont_fragment ? std::uint16_t{0} : id);
    outer.flags_and_offset = wire::be16(dont_fragment ? wire::kIpv4DontFragment : std::uint16_t{0});
    const std::uint32_t sum =
        common.sum + first.raw() + outer.total_length.raw() + outer.id.raw() + outer.flags_and_offset.raw();
    outer.checksum = wire::checksum_store(static_cast<std::uint16_t>(~wire::checksum_fold(sum)));
}

//   before:                        0                14 (+ VLAN tags)
//                                  +----------------+---------------
//                                  | Ethernet       | client's packet
//                                  +----------------+---------------
//   after:        -20              -6               14
//                  +----------------+---------------+---------------
//                  | Ethernet       | outer IPv4    | client's packet   not a byte of it changes, not even its TTL
//                  +----------------+---------------+---------------
// `inner`: the client's header, in the frame. The MAC addresses are not moved: rewrite_layer2() writes new ones.
inline void encapsulate(Packet& packet, const OuterHeader& common, const wire::Ipv4Header& inner, std::uint16_t id) {
    constexpr std::size_t kMacs = 2 * sizeof(wire::MacAddress);
    const std::size_t inner_length = inner.total_length.host();
    const std::size_t inner_offset = packet.offset_of(inner);
    std::uint8_t* frame = packet.data - kOuterLength;
    if (inner_offset == sizeof(wire::EthernetHeader)) [[likely]]
        std::memcpy(frame + kMacs, packet.data + kMacs, sizeof(wire::be16));
    else
        std::memmove(frame + kMacs, packet.data + kMacs, inner_offset - kMacs);

    auto& outer = *reinterpret_cast<wire::Ipv4Header*>(frame + inner_offset);
    outer.ttl = kTtl;
    outer.protocol = wire::kProtocolIpip;
    outer.source = common.source;
    outer.destination = common.destination;
    finish_outer(outer, common, inner, inner_length, id);

    packet.data = frame;
    packet.length = static_cast<std::uint32_t>(inner_offset + kOuterLength + inner_length);  // without Ethernet padding
    packet.outer_length = kOuterLength;
}

}  // namespace dsr::lb
