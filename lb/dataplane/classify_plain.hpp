// Recognises, with the fewest instructions, what nearly all packets are.
#pragma once

#include "common/ring/flow_hash.hpp"
#include "common/wire/parse.hpp"
#include "lb/dataplane/classified.hpp"
#include "lb/dataplane/forwarding_table.hpp"

namespace dsr::lb {

inline FlowEvent event_of(std::uint8_t tcp_flags) {
    // Nearly all segments have none of these, so that one test is enough.
    if ((tcp_flags & (wire::kTcpRst | wire::kTcpFin | wire::kTcpSyn)) == 0) [[likely]]
        return FlowEvent::data;
    if ((tcp_flags & wire::kTcpRst) != 0) return FlowEvent::rst;
    if ((tcp_flags & wire::kTcpFin) != 0) return FlowEvent::fin;
    return (tcp_flags & wire::kTcpAck) == 0 ? FlowEvent::syn : FlowEvent::data;
}

// Untagged IPv4 without options, to us, whole and no fragment, TCP or UDP for a service: then packet.service and
// `found` are set as classify() would. False: something else, about which only classify() decides, the reason of a drop
// above all.
inline bool classify_plain(const ForwardingTable& table, Packet& packet, Classified& found) {
    struct Headers {
        wire::EthernetHeader ethernet;
        wire::Ipv4Header ip;
        wire::TcpHeader tcp;  // ports and nothing else of it with UDP
    };
    if (packet.length < sizeof(Headers)) return false;
    const wire::Bytes frame = packet.bytes();
    const auto& [ethernet, ip, tcp] = wire::header_at<Headers>(frame);
    const std::size_t length = ip.total_length.host();
    const bool plain = ethernet.destination == table.interfaces[packet.ingress].mac &&
                       ethernet.ether_type == wire::be16(wire::kEtherTypeIpv4) && ip.version_and_length == 0x45 &&
                       !ip.is_fragment() && length <= frame.size() - sizeof(wire::EthernetHeader);
    if (!plain) return false;
    const std::uint8_t protocol = ip.protocol;
    if (protocol == wire::kProtocolTcp) {
        const std::size_t header = tcp.header_length();
        if (header < sizeof(wire::TcpHeader) || length < sizeof ip + header) return false;
        found.tcp_header_length = static_cast<std::uint8_t>(header);
        found.lookup.event = event_of(tcp.flags);
    } else {
        const auto& udp = reinterpret_cast<const wire::UdpHeader&>(tcp);
        const std::size_t datagram = udp.length.host();
        if (protocol != wire::kProtocolUdp || datagram < sizeof udp || length < sizeof ip + datagram) return false;
        found.tcp_header_length = 0;
        found.lookup.event = FlowEvent::data;
    }
    if (!packet.ip_checked && !wire::checksum_valid(ip)) return false;
    // FlowKey's two numbers, each read at once.
    const std::uint64_t addresses = wire::header_at<wire::be64>(frame, offsetof(Headers, ip.source)).host();
    const std::uint32_t ports = wire::header_at<wire::be32>(frame, offsetof(Headers, tcp)).host();
    found.ip = &ip;
    found.first_fragment = false;
    found.lookup.key = {addresses, ports};
    found.lookup.hash = ring::flow_hash(addresses, ports, protocol);
    const ServiceId service =
        table.service_map.service(static_cast<std::uint32_t>(addresses), protocol, static_cast<std::uint16_t>(ports));
    if (service == kNoId) return false;
    packet.service = service;
    found.way = table.services[service].per_packet ? Way::per_packet : Way::flow;
    return true;
}

}  // namespace dsr::lb
