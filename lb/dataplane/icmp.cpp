#include "lb/dataplane/icmp.hpp"

#include <utility>

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/layer2.hpp"
#include "lb/dataplane/quoted_flow.hpp"

namespace dsr::lb {
namespace {

// The error is about a packet that a server sent from the VIP; reversed, it is one of the client's flow.
bool quoted_flow(const wire::Ipv4View& ip, wire::Bytes quote, wire::FlowKey& flow) {
    const auto quoted = wire::parse_quoted_ipv4(quote);
    const auto sent = quoted ? flow_of_quote(*quoted) : std::nullopt;
    if (!sent || sent->source != ip.header->destination) return false;
    flow = sent->reversed();
    return true;
}

void answer_echo(const ForwardingTable& table, Packet& packet, const wire::Ipv4View& view) {
    const std::size_t offset = packet.offset_of(*view.header);
    auto& ip = wire::header_at<wire::Ipv4Header>(packet.mutable_bytes(), offset);
    auto& icmp = wire::header_at<wire::IcmpHeader>(packet.mutable_bytes(), offset + sizeof ip);
    std::swap(ip.source, ip.destination);
    ip.ttl = kTtl;
    ip.checksum = {};
    ip.checksum = wire::internet_checksum({reinterpret_cast<const std::uint8_t*>(&ip), sizeof ip});
    const auto first_word = [&icmp] { return wire::be16(static_cast<std::uint16_t>(icmp.type << 8U | icmp.code)); };
    const wire::be16 before = first_word();
    icmp.type = wire::kIcmpEchoReply;
    icmp.checksum = wire::checksum_update(icmp.checksum, before, first_word());
    send_back(packet, table.interfaces[packet.ingress].mac);
    packet.verdict = Verdict::answered;
    packet.answer = Answer::icmp_echo;
}

void classify_echo(const ForwardingTable& table, const Vip& vip, Packet& packet, Classified& found,
                   const wire::IcmpHeader& icmp) {
    if (vip.with_servers == kNoId) return packet.drop(Drop::no_server);
    if (vip.forward_echo) {
        const wire::Ipv4Header& ip = *found.ip;
        found.lookup.hash = ring::flow_hash({ip.source, ip.destination, icmp.rest_high.host(), 0, ip.protocol});
        found.way = Way::echo;
        packet.service = vip.with_servers;
        return;
    }
    if (found.first_fragment) return packet.drop(Drop::fragment);
    // Options such as a source route would have to be turned round; nobody needs them.
    if (!found.view().options.empty()) return packet.drop(Drop::not_served);
    answer_echo(table, packet, found.view());
}

}  // namespace

void answer_own_echo(const ForwardingTable& table, Packet& packet, const wire::Ipv4View& ip) {
    const auto icmp = wire::parse_icmp(ip.payload);
    if (icmp && icmp->header->type == wire::kIcmpEchoRequest && icmp->header->code == 0 && !ip.header->is_fragment() &&
        ip.options.empty() && wire::verify_ipv4_checksum(ip))
        answer_echo(table, packet, ip);
}

void classify_icmp(const ForwardingTable& table, const Vip& vip, Packet& packet, Classified& found) {
    const auto icmp = wire::parse_icmp(found.view().payload);
    if (!icmp) return packet.drop(drop_of(icmp.error()));
    if (icmp->header->type == wire::kIcmpEchoRequest && icmp->header->code == 0)
        return classify_echo(table, vip, packet, found, *icmp->header);
    if (!concerns_flow(icmp->header->type)) return packet.drop(Drop::not_served);
    if (found.first_fragment) return packet.drop(Drop::fragment);
    wire::FlowKey flow;
    if (!quoted_flow(found.view(), icmp->payload, flow)) return packet.drop(Drop::icmp_unknown_flow);
    packet.service = vip.service(flow.protocol, flow.destination_port);
    if (packet.service == kNoId) return packet.drop(Drop::icmp_unknown_flow);
    found.lookup = {flow, ring::flow_hash(flow), FlowEvent::data};
    found.way = Way::quoted_flow;
}

}  // namespace dsr::lb
