#include "lb/dataplane/spread.hpp"

#include <optional>

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/quoted_flow.hpp"

namespace dsr::lb {
namespace {

// An error about a packet that a server sent to a client, or about one of our tunnels, which has the client's packet in
// it: either way the client's flow.
std::uint64_t hash_of_quote(const wire::Ipv4View& quoted) {
    if (quoted.header->protocol == wire::kProtocolIpip) {
        const auto inner = wire::parse_quoted_ipv4(quoted.payload);
        const auto flow = inner ? flow_of_quote(*inner) : std::nullopt;
        return flow ? ring::flow_hash(*flow) : 0;
    }
    const auto flow = flow_of_quote(quoted);
    return flow ? ring::flow_hash(flow->reversed()) : 0;
}

std::uint64_t hash_of_icmp(const wire::Ipv4View& ip) {
    const auto icmp = wire::parse_icmp(ip.payload);
    if (!icmp || !concerns_flow(icmp->header->type)) return 0;
    const auto quoted = wire::parse_quoted_ipv4(icmp->payload);
    return quoted ? hash_of_quote(*quoted) : 0;
}

}  // namespace

std::uint64_t spread_hash(wire::Bytes frame) {
    const auto ethernet = wire::parse_ethernet(frame);
    if (!ethernet || ethernet->ether_type != wire::kEtherTypeIpv4) return 0;
    // Of a jumbo frame, the first of several buffers may be all that is here.
    const auto ip = wire::parse_quoted_ipv4(ethernet->payload);
    if (!ip) return 0;
    const wire::Ipv4Header& header = *ip->header;
    wire::FlowKey flow{header.source, header.destination, 0, 0, header.protocol};
    if (header.is_fragment()) return ring::flow_hash(flow);
    if (header.protocol == wire::kProtocolIcmp) return hash_of_icmp(*ip);
    const bool ports = header.protocol == wire::kProtocolTcp || header.protocol == wire::kProtocolUdp;
    if (!ports || ip->payload.size() < 4) return 0;
    flow.source_port = wire::header_at<wire::be16>(ip->payload).host();
    flow.destination_port = wire::header_at<wire::be16>(ip->payload, 2).host();
    return ring::flow_hash(flow);
}

}  // namespace dsr::lb
