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

// The first values are those of wire::ParseError, one for one.
enum class Drop : std::uint8_t {
    not_served = wire::kParseErrorCount,  // for a VIP, but no service has this protocol and port
    fragment,                             // of an IPv4 datagram for a VIP
    no_server,                            // the pool has no server that takes flows
    no_neighbor,                          // the chosen server's MAC address is not known
    bounced,          // came from the very server it would go to: that server lacks the VIP and routed it back
    udp_super_frame,  // several datagrams that receive offload joined: they cannot be told apart again
    exceeds_mtu,      // larger than the egress interface's MTU, and not TCP
    transmit_failed,  // the driver could not send it
};
inline constexpr std::size_t kDropCount = wire::kParseErrorCount + 8;

constexpr Drop drop_of(wire::ParseError error) {
    return static_cast<Drop>(error);
}

std::string_view name(Verdict verdict);
std::string_view name(Drop reason);

}  // namespace dsr::lb
