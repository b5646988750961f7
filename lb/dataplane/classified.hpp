// What the first look at a frame finds out, for the second pass over the burst.
#pragma once

#include <cstdint>

#include "common/wire/parse.hpp"
#include "lb/dataplane/flow_table.hpp"

namespace dsr::lb {

struct FlowLookup {
    FlowTable::Key key;
    std::uint64_t hash = 0;  // ring::flow_hash
    FlowEvent event = FlowEvent::data;
};

// How a packet finds its server; the order of likelihood.
enum class Way : std::uint8_t {
    ended,           // it needs none: the packet has its verdict
    flow,            // its flow's
    first_fragment,  // the same, and the rest of its datagram follows it
    per_packet,      // any: every datagram is hashed anew
    quoted_flow,     // an ICMP error: that of the flow it quotes
    echo,            // a ping that a server is to answer: by its identifier
    later_fragment,  // that of its datagram's first fragment
    tunnel_error,    // none: a router tells us that a packet to a server was too large
};

struct Classified {
    const wire::Ipv4Header* ip = nullptr;     // the client's packet; its lengths were checked
    [[no_unique_address]] FlowLookup lookup;  // of later fragments: nothing, hash 0
    Way way = Way::ended;
    std::uint8_t tcp_header_length = 0;  // bytes; 0: not TCP
    bool first_fragment = false;         // whichever way it finds its server

    [[nodiscard]] wire::Ipv4View view() const {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(ip);
        const std::size_t header = ip->header_length();
        return {ip, {bytes + sizeof *ip, header - sizeof *ip}, {bytes + header, ip->total_length.host() - header}};
    }
};
static_assert(sizeof(Classified) == 32);

}  // namespace dsr::lb
