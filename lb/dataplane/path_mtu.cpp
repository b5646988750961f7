#include "lb/dataplane/path_mtu.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/layer2.hpp"
#include "lb/dataplane/layer3.hpp"
#include "lb/dataplane/quoted_flow.hpp"

namespace dsr::lb {
namespace {

// Errors travel as Linux sends them: internetwork control (RFC 1812 section 4.3.2.5).
constexpr std::uint8_t kErrorTos = 0xc0;
// "As much of the original datagram as possible" in 576 bytes (RFC 1812 section 4.3.2.3): QUIC and tunnels need more
// than the header and 8 bytes.
constexpr std::size_t kErrorHeaders = sizeof(wire::Ipv4Header) + sizeof(wire::IcmpHeader);
constexpr std::size_t kMostQuoted = 576 - kErrorHeaders;

bool is_error(std::uint8_t type) {
    return type == wire::kIcmpDestinationUnreachable || type == wire::kIcmpSourceQuench ||
           type == wire::kIcmpRedirect || type == wire::kIcmpTimeExceeded || type == wire::kIcmpParameterProblem;
}

bool is_host(wire::Ipv4Address address) {
    return !address.is_unspecified() && !address.is_loopback() && (address.host() >> 28U) < 0xe;
}

// The error about a packet that lies in the frame, written in front of it; `length`: bytes of it that are there.
//
//   before:                         0           14
//                                   +-----------+-----+------+----------------------
//                                   | Ethernet  | ... | IPv4 | payload ...
//                                   +-----------+-----+------+----------------------
//   after:           +-----------+-------+------+------+----------------
//                    | Ethernet  | IPv4  | ICMP | IPv4 | payload, cut        from the VIP to the client
//                    +-----------+-------+------+------+----------------
void write_error(const ForwardingTable& table, Packet& packet, std::size_t link_length, const wire::Ipv4Header& about,
                 std::size_t length, std::uint32_t mtu) {
    const std::size_t quoted = std::min(length, kMostQuoted);
    std::uint8_t* const frame = packet.data + packet.offset_of(about) - kErrorHeaders - link_length;
    std::memmove(frame, packet.data, link_length);
    packet.data = frame;
    packet.length = static_cast<std::uint32_t>(link_length + kErrorHeaders + quoted);

    const wire::MutableBytes error = packet.mutable_bytes().subspan(link_length);
    auto& ip = wire::header_at<wire::Ipv4Header>(error);
    auto& icmp = wire::header_at<wire::IcmpHeader>(error, sizeof ip);
    icmp = {.type = wire::kIcmpDestinationUnreachable,
            .code = wire::kIcmpCodeFragmentationNeeded,
            .checksum = {},
            .rest_high = {},
            .rest_low = wire::be16(static_cast<std::uint16_t>(std::min<std::uint32_t>(mtu, 0xffff)))};
    icmp.checksum = wire::internet_checksum(error.subspan(sizeof ip));
    ip = {.version_and_length = 0x45,
          .tos = kErrorTos,
          .total_length = wire::be16(static_cast<std::uint16_t>(kErrorHeaders + quoted)),
          .id = {},
          .flags_and_offset = wire::be16(wire::kIpv4DontFragment),
          .ttl = kTtl,
          .protocol = wire::kProtocolIcmp,
          .checksum = {},
          .source = about.destination,
          .destination = about.source};
    ip.checksum = wire::internet_checksum(error.first(sizeof ip));
    send_back(packet, table.interfaces[packet.ingress].mac);
    packet.verdict = Verdict::answered;
    packet.answer = Answer::fragmentation_needed;
    packet.server = kNoServer;
}

// What an error about our own packet quotes: the outer header, and the client's packet as far as it goes.
struct TunnelQuote {
    wire::Ipv4View outer;
    std::uint32_t mtu = 0;  // of the next hop, for the outer packet
};

std::optional<TunnelQuote> tunnel_quote(const wire::Ipv4View& ip) {
    const auto icmp = wire::parse_icmp(ip.payload);
    if (!icmp || icmp->header->type != wire::kIcmpDestinationUnreachable ||
        icmp->header->code != wire::kIcmpCodeFragmentationNeeded)
        return std::nullopt;
    const auto outer = wire::parse_quoted_ipv4(icmp->payload);
    if (!outer || outer->header->protocol != wire::kProtocolIpip) return std::nullopt;
    return TunnelQuote{*outer, icmp->header->rest_low.host()};
}

// Whether the quoted client's packet is of a flow that we have given to this very server: whoever forges an error must
// guess one.
bool of_known_flow(const ForwardingTable& table, FlowTime now, const wire::Ipv4View& client, wire::Ipv4Address server,
                   FlowTable& flows) {
    const auto flow = flow_of_quote(client);
    const Vip* vip = table.service_map.find(client.header->destination);
    if (!flow || vip == nullptr) return false;
    const ServiceId service = vip->service(flow->protocol, flow->destination_port);
    if (service == kNoId) return false;
    const auto* entry = flows.find(*flow, table.services[service].vip_id, ring::flow_hash(*flow), now);
    return entry != nullptr && entry->server < table.servers.size() && table.servers[entry->server].address == server;
}

}  // namespace

bool may_be_told(const wire::Ipv4View& about) {
    const wire::Ipv4Header& ip = *about.header;
    return ip.fragment_offset() == 0 && is_host(ip.source) &&
           !(ip.protocol == wire::kProtocolIcmp && !about.payload.empty() && is_error(about.payload[0]));
}

void answer_fragmentation_needed(const ForwardingTable& table, Packet& packet, const wire::Ipv4View& view,
                                 std::uint32_t mtu) {
    write_error(table, packet, packet.offset_of(*view.header), *view.header,
                view.header->header_length() + view.payload.size(), mtu);
}

bool is_tunnel_error(const ForwardingTable& table, const wire::Ipv4View& ip) {
    const bool ours = std::ranges::any_of(table.interfaces, [&](const Interface& interface) {
        return interface.address.address == ip.header->destination;
    });
    if (!ours || ip.header->is_fragment() || !wire::verify_ipv4_checksum(ip)) return false;
    const auto quote = tunnel_quote(ip);
    return quote && quote->outer.header->source == ip.header->destination && quote->mtu >= TunnelMtus::kLeast &&
           quote->outer.header->total_length.host() > quote->mtu && wire::checksum_valid(ip.payload);
}

void handle_tunnel_error(const ForwardingTable& table, FlowTime now, Packet& packet, const wire::Ipv4View& ip,
                         WorkerState& state) {
    const auto quote = tunnel_quote(ip);
    if (!quote || !state.tunnel_errors.take(now, kIcmpErrorsPerSecond)) return;
    const auto client = wire::parse_quoted_ipv4(quote->outer.payload);
    const wire::Ipv4Address server = quote->outer.header->destination;
    if (!client || !of_known_flow(table, now, *client, server, state.flows)) return;
    state.tunnel_mtus.note(server, quote->mtu, now);
    if (may_be_told(*client))
        write_error(table, packet, packet.offset_of(*ip.header), *client->header, quote->outer.payload.size(),
                    quote->mtu - static_cast<std::uint32_t>(kOuterLength));
}

}  // namespace dsr::lb
