// How a packet can end. Every packet that lb receives ends in exactly one verdict, and every verdict has one counter:
// received = forwarded + answered + passed + sum over the drop reasons.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "common/wire/parse.hpp"

namespace dsr::lb {

enum class Verdict : std::uint8_t {
    forwarded,  // rewritten and handed to the driver for a server
    answered,   // turned into lb's own answer, see Answer
    passed,     // not ours: left to the kernel, untouched
    dropped,    // see Drop
    held,       // no end yet: a fragment that waits for its datagram's first one, and comes in again; counted then
};

enum class Answer : std::uint8_t {
    arp,                   // RFC 826: an ARP reply for a VIP
    icmp_echo,             // RFC 792: an echo reply from a VIP
    fragmentation_needed,  // RFC 1191: the packet does not fit on the way to its server and must not be fragmented
};
inline constexpr std::size_t kAnswerCount = static_cast<std::size_t>(Answer::fragmentation_needed) + 1;

// The malformed ones first: those of wire::ParseError, one for one.
enum class Drop : std::uint8_t {
    ethernet_truncated,
    vlan_truncated,
    vlan_too_deep,
    arp_truncated,
    arp_format,
    ipv4_truncated,
    ipv4_version,
    ipv4_header_length,
    ipv4_total_length,
    ipv4_checksum,
    tcp_truncated,
    tcp_data_offset,
    udp_truncated,
    udp_length,
    icmp_truncated,
    not_served,         // for a VIP, but no service has this protocol and port
    fragment,           // of an ICMP message: ports decide, and it has none
    fragment_expired,   // its datagram's first fragment did not come in time
    fragment_overflow,  // it had waited longest for its first fragment when others needed the room
    icmp_unknown_flow,  // an ICMP error that quotes no flow of a service
    no_server,          // the pool has no server that takes flows
    no_neighbor,        // the chosen server's MAC address is not known
    bounced,            // came from the very server it would go to: that server lacks the VIP and routed it back
    udp_super_frame,    // several datagrams that receive offload joined: they cannot be told apart again
    tcp_checksum,       // wrong in a TCP super-frame: cutting it would have made it right
    exceeds_mtu,        // too large for the way to its server, and no ICMP error may be sent (again, or at all)
    transmit_failed,    // the driver could not send it
};
inline constexpr std::size_t kDropCount = static_cast<std::size_t>(Drop::transmit_failed) + 1;
static_assert(static_cast<std::size_t>(Drop::not_served) == wire::kParseErrorCount);
static_assert(static_cast<std::uint8_t>(Drop::icmp_truncated) ==
              static_cast<std::uint8_t>(wire::ParseError::icmp_truncated));

constexpr Drop drop_of(wire::ParseError error) {
    return static_cast<Drop>(error);
}

std::string_view name(Verdict verdict);
std::string_view name(Answer answer);
std::string_view name(Drop reason);

}  // namespace dsr::lb
