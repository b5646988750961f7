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
    answered,   // turned into lb's own answer (ARP)
    passed,     // not ours: left to the kernel, untouched
    dropped,    // see Drop
};

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
    not_served,       // for a VIP, but no service has this protocol and port
    fragment,         // of an IPv4 datagram for a VIP
    no_server,        // the pool has no server that takes flows
    no_neighbor,      // the chosen server's MAC address is not known
    bounced,          // came from the very server it would go to: that server lacks the VIP and routed it back
    udp_super_frame,  // several datagrams that receive offload joined: they cannot be told apart again
    tcp_checksum,     // wrong in a TCP super-frame: cutting it would have made it right
    exceeds_mtu,      // larger than the egress interface's MTU, and not TCP
    transmit_failed,  // the driver could not send it
};
inline constexpr std::size_t kDropCount = static_cast<std::size_t>(Drop::transmit_failed) + 1;
static_assert(static_cast<std::size_t>(Drop::not_served) == wire::kParseErrorCount);
static_assert(static_cast<std::uint8_t>(Drop::icmp_truncated) ==
              static_cast<std::uint8_t>(wire::ParseError::icmp_truncated));

constexpr Drop drop_of(wire::ParseError error) {
    return static_cast<Drop>(error);
}

std::string_view name(Verdict verdict);
std::string_view name(Drop reason);

}  // namespace dsr::lb
