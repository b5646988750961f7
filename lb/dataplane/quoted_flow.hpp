// The flow of a packet that an ICMP error quotes (RFC 792: its IPv4 header and at least 8 bytes of what follows).
#pragma once

#include <optional>

#include "common/wire/parse.hpp"

namespace dsr::lb {

// Errors that concern a flow's sender. (Source quench is deprecated by RFC 6633, redirects are for hosts on our own
// link.)
inline bool concerns_flow(std::uint8_t type) {
    return type == wire::kIcmpDestinationUnreachable || type == wire::kIcmpTimeExceeded ||
           type == wire::kIcmpParameterProblem;
}

// As the quoted packet was sent; nothing when the quote is too short for ports, or is of a later fragment.
inline std::optional<wire::FlowKey> flow_of_quote(const wire::Ipv4View& quoted) {
    constexpr std::size_t kLeastQuoted = 8;
    if (quoted.payload.size() < kLeastQuoted || quoted.header->fragment_offset() != 0) return std::nullopt;
    return wire::FlowKey{quoted.header->source, quoted.header->destination,
                         wire::header_at<wire::be16>(quoted.payload).host(),
                         wire::header_at<wire::be16>(quoted.payload, 2).host(), quoted.header->protocol};
}

}  // namespace dsr::lb
