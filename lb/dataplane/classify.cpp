#include "lb/dataplane/classify.hpp"

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/arp_answer.hpp"
#include "lb/dataplane/classify_plain.hpp"
#include "lb/dataplane/icmp.hpp"
#include "lb/dataplane/path_mtu.hpp"

namespace dsr::lb {
namespace {

// A packet from a service to somewhere else should never come by here: with DSR, replies bypass the load balancer.
void count_return(const ForwardingTable& table, const wire::Ipv4View& ip, Counters& counters) {
    const Vip* vip = table.service_map.find(ip.header->source);
    if (vip == nullptr || ip.payload.size() < 2 || ip.header->fragment_offset() != 0) return;
    const std::uint16_t source_port = wire::header_at<wire::be16>(ip.payload).host();
    const ServiceId service = vip->service(ip.header->protocol, source_port);
    if (service != kNoId) counters.services[service].return_packets.add();
}

// False: the packet is dropped.
bool parse_tcp_header(Packet& packet, Classified& found, wire::FlowKey& flow) {
    const auto tcp = wire::parse_tcp(found.view().payload);
    if (!tcp) return packet.drop(drop_of(tcp.error())), false;
    flow.source_port = tcp->header->source_port.host();
    flow.destination_port = tcp->header->destination_port.host();
    found.lookup.event = event_of(tcp->header->flags);
    found.tcp_header_length = static_cast<std::uint8_t>(tcp->header->header_length());
    return true;
}

// The length of a fragmented datagram reaches beyond its first fragment.
bool parse_udp_header(Packet& packet, const Classified& found, wire::FlowKey& flow) {
    const wire::Bytes datagram = found.view().payload;
    if (datagram.size() < sizeof(wire::UdpHeader)) return packet.drop(Drop::udp_truncated), false;
    const auto& udp = wire::header_at<wire::UdpHeader>(datagram);
    const std::size_t length = udp.length.host();
    if (length < sizeof(wire::UdpHeader) || (length > datagram.size() && !found.first_fragment))
        return packet.drop(Drop::udp_length), false;
    flow.source_port = udp.source_port.host();
    flow.destination_port = udp.destination_port.host();
    return true;
}

// TCP or UDP with its ports.
void classify_flow(const ForwardingTable& table, const Vip& vip, Packet& packet, Classified& found) {
    const wire::Ipv4Header& ip = *found.ip;
    wire::FlowKey flow{ip.source, ip.destination, 0, 0, ip.protocol};
    const bool tcp = ip.protocol == wire::kProtocolTcp;
    if (!(tcp ? parse_tcp_header(packet, found, flow) : parse_udp_header(packet, found, flow))) return;
    packet.service = vip.service(ip.protocol, flow.destination_port);
    if (packet.service == kNoId) return packet.drop(Drop::not_served);
    found.lookup.key = flow;
    found.lookup.hash = ring::flow_hash(flow);
    found.way = table.services[packet.service].per_packet ? Way::per_packet
                : found.first_fragment                    ? Way::first_fragment
                                                          : Way::flow;
}

// Without ports; its service and server are its first fragment's.
void classify_later_fragment(const Vip& vip, Packet& packet, Classified& found) {
    if (found.ip->protocol == wire::kProtocolIcmp) {
        if (!vip.forward_echo) return packet.drop(Drop::fragment);
    } else if (const auto* ports = vip.ports_of(found.ip->protocol); ports == nullptr || ports->empty()) {
        return packet.drop(Drop::not_served);
    }
    found.lookup.hash = 0;
    found.way = Way::later_fragment;
}

// To none of the VIPs: the kernel's, but for what it says about our services and tunnels.
void classify_other(const ForwardingTable& table, Packet& packet, const wire::Ipv4View& ip, Classified& found,
                    Counters& counters) {
    count_return(table, ip, counters);
    if (ip.header->protocol != wire::kProtocolIcmp) return;
    const Interface& interface = table.interfaces[packet.ingress];
    if (interface.alone && ip.header->destination == interface.address.address) answer_own_echo(table, packet, ip);
    if (packet.verdict == Verdict::answered || !is_tunnel_error(table, ip)) return;
    found.ip = ip.header;
    found.way = Way::tunnel_error;
}

}  // namespace

void classify(const ForwardingTable& table, Packet& packet, Classified& found, Counters& counters) {
    found.way = Way::ended;
    if (packet.verdict == Verdict::dropped) return;  // a fragment that waited in vain
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
    const Vip* vip = table.service_map.find(ip->header->destination);
    if (vip == nullptr) return classify_other(table, packet, *ip, found, counters);
    if (!packet.ip_checked && !wire::verify_ipv4_checksum(*ip)) return packet.drop(Drop::ipv4_checksum);

    found.ip = ip->header;
    found.tcp_header_length = 0;
    found.lookup.event = FlowEvent::data;
    const bool fragment = found.ip->is_fragment();
    if (fragment && found.ip->fragment_offset() != 0) return classify_later_fragment(*vip, packet, found);
    found.first_fragment = fragment;
    const std::uint8_t protocol = found.ip->protocol;
    if (protocol == wire::kProtocolTcp || protocol == wire::kProtocolUdp)
        return classify_flow(table, *vip, packet, found);
    if (protocol == wire::kProtocolIcmp) return classify_icmp(table, *vip, packet, found);
    packet.drop(Drop::not_served);
}

}  // namespace dsr::lb
