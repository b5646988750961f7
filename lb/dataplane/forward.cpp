#include "lb/dataplane/forward.hpp"

#include <array>

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/arp_answer.hpp"
#include "lb/dataplane/choose_server.hpp"
#include "lb/dataplane/driver.hpp"
#include "lb/dataplane/layer2.hpp"
#include "lb/dataplane/offload.hpp"

namespace dsr::lb {
namespace {

// What the first pass found out about a packet, for the second.
struct Parsed {
    wire::Ipv4View ip;
    FlowLookup lookup;
    std::uint8_t tcp_header_length = 0;  // bytes; 0: UDP
};

// A packet from a service to somewhere else should never come by here: with DSR, replies bypass the load balancer.
void count_return(const ForwardingTable& table, const wire::Ipv4View& ip, Counters& counters) {
    if (ip.payload.size() < 2 || ip.header->fragment_offset() != 0) return;
    const std::uint16_t source_port = wire::header_at<wire::be16>(ip.payload).host();
    const ServiceId service = table.service_map.find(ip.header->source, ip.header->protocol, source_port);
    if (service != kNoId) counters.services[service].return_packets.add();
}

// TCP or UDP ports and lengths. False: the packet is dropped.
bool parse_transport_header(Packet& packet, Parsed& parsed) {
    const wire::Ipv4Header& ip = *parsed.ip.header;
    wire::FlowKey& flow = parsed.lookup.flow;
    flow = {ip.source, ip.destination, 0, 0, ip.protocol};
    if (ip.protocol == wire::kProtocolTcp) {
        const auto tcp = wire::parse_tcp(parsed.ip.payload);
        if (!tcp) return packet.drop(drop_of(tcp.error())), false;
        flow.source_port = tcp->header->source_port.host();
        flow.destination_port = tcp->header->destination_port.host();
        parsed.tcp_header_length = static_cast<std::uint8_t>(tcp->header->header_length());
        parsed.lookup.opens = (tcp->header->flags & (wire::kTcpSyn | wire::kTcpAck)) == wire::kTcpSyn;
        return true;
    }
    if (ip.protocol == wire::kProtocolUdp) {
        const auto udp = wire::parse_udp(parsed.ip.payload);
        if (!udp) return packet.drop(drop_of(udp.error())), false;
        flow.source_port = udp->header->source_port.host();
        flow.destination_port = udp->header->destination_port.host();
        return true;
    }
    return packet.drop(Drop::not_served), false;
}

// Sets packet.service when the packet is for a virtual service, else the packet's verdict.
void classify(const ForwardingTable& table, Packet& packet, Parsed& parsed, Counters& counters) {
    if (packet.length < sizeof(wire::EthernetHeader)) return packet.drop(Drop::ethernet_truncated);
    const auto& to = wire::header_at<wire::EthernetHeader>(packet.bytes()).destination;
    const bool ours = to == table.interfaces[packet.ingress].mac;
    // A switch that floods shows us other hosts' frames: they are none of our business, malformed or not.
    if (!ours && to != wire::MacAddress::broadcast()) return;
    const auto ethernet = wire::parse_ethernet(packet.bytes());
    if (!ethernet) return packet.drop(drop_of(ethernet.error()));
    if (ethernet->ether_type == wire::kEtherTypeArp) return handle_arp(table, packet, *ethernet);
    if (!ours || ethernet->ether_type != wire::kEtherTypeIpv4) return;

    const auto ip = wire::parse_ipv4(ethernet->payload);
    if (!ip) return packet.drop(drop_of(ip.error()));
    if (!table.service_map.is_vip(ip->header->destination)) return count_return(table, *ip, counters);
    if (!wire::verify_ipv4_checksum(*ip)) return packet.drop(Drop::ipv4_checksum);
    if (ip->header->is_fragment()) return packet.drop(Drop::fragment);
    parsed.ip = *ip;
    if (!parse_transport_header(packet, parsed)) return;
    const wire::FlowKey& flow = parsed.lookup.flow;
    packet.service = table.service_map.find(flow.destination, flow.protocol, flow.destination_port);
    if (packet.service == kNoId) return packet.drop(Drop::not_served);
    parsed.lookup.hash = ring::flow_hash(flow);
}

// Finishes checksums and decides how a packet that is larger than the egress MTU can leave. False: it is dropped.
bool fit_egress(const ForwardingTable& table, Packet& packet, const Parsed& parsed) {
    const Interface& ingress = table.interfaces[packet.ingress];
    const Interface& egress = table.interfaces[packet.egress];
    const std::size_t size = parsed.ip.header->total_length.host();
    if (size > egress.mtu) [[unlikely]] {
        if (parsed.tcp_header_length != 0) {
            // The segments get right checksums; a wrong one must not be mended by that.
            if (!checksum_unfinished_or_right(parsed.ip)) return packet.drop(Drop::tcp_checksum), false;
            packet.segment_payload = segment_payload_for(parsed.ip, parsed.tcp_header_length, egress.mtu);
            if (packet.segment_payload != 0) return true;
        }
        const bool joined = size > ingress.mtu && parsed.tcp_header_length == 0;
        return packet.drop(joined ? Drop::udp_super_frame : Drop::exceeds_mtu), false;
    }
    if (ingress.software_offloads) {
        const std::size_t offset = static_cast<std::size_t>(parsed.ip.payload.data() - packet.data);
        finish_checksum(parsed.ip.header_bytes(), packet.mutable_bytes().subspan(offset, parsed.ip.payload.size()));
    }
    return true;
}

void send_to_server(const ForwardingTable& table, FlowTime now, Packet& packet, const Parsed& parsed, FlowTable& flows,
                    Counters& counters) {
    const Service& service = table.services[packet.service];
    packet.server = choose_server(table, service, parsed.lookup, now, flows, counters);
    if (packet.server == kNoId) return packet.drop(Drop::no_server);
    const Server& server = table.servers[packet.server];
    if (!server.resolved) return packet.drop(Drop::no_neighbor);
    if (wire::header_at<wire::EthernetHeader>(packet.bytes()).source == server.mac) [[unlikely]] {
        counters.members.at(packet.service, packet.server).bounced.add();
        return packet.drop(Drop::bounced);
    }
    packet.egress = server.interface;
    if (!fit_egress(table, packet, parsed)) return;
    rewrite_layer2(packet.mutable_bytes(), server.mac, table.interfaces[packet.egress].mac);
    packet.verdict = Verdict::forwarded;
}

}  // namespace

void forward(const ForwardingTable& table, FlowTime now, std::span<Packet> burst, FlowTable& flows,
             Counters& counters) {
    // Two passes, so that the flow table's cache lines are on their way while the rest of the burst is parsed.
    std::array<Parsed, kBurstSize> parsed;
    for (std::size_t i = 0; i < burst.size(); ++i) {
        classify(table, burst[i], parsed[i], counters);
        if (burst[i].service != kNoId) flows.prefetch(parsed[i].lookup.hash);
    }
    for (std::size_t i = 0; i < burst.size(); ++i)
        if (burst[i].service != kNoId) send_to_server(table, now, burst[i], parsed[i], flows, counters);
}

}  // namespace dsr::lb
