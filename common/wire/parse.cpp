#include "common/wire/parse.hpp"

namespace dsr::wire {

std::string_view name(ParseError error) {
    switch (error) {
        case ParseError::ethernet_truncated:
            return "ethernet_truncated";
        case ParseError::vlan_truncated:
            return "vlan_truncated";
        case ParseError::vlan_too_deep:
            return "vlan_too_deep";
        case ParseError::arp_truncated:
            return "arp_truncated";
        case ParseError::arp_format:
            return "arp_format";
        case ParseError::ipv4_truncated:
            return "ipv4_truncated";
        case ParseError::ipv4_version:
            return "ipv4_version";
        case ParseError::ipv4_header_length:
            return "ipv4_header_length";
        case ParseError::ipv4_total_length:
            return "ipv4_total_length";
        case ParseError::ipv4_checksum:
            return "ipv4_checksum";
        case ParseError::tcp_truncated:
            return "tcp_truncated";
        case ParseError::tcp_data_offset:
            return "tcp_data_offset";
        case ParseError::udp_truncated:
            return "udp_truncated";
        case ParseError::udp_length:
            return "udp_length";
        case ParseError::icmp_truncated:
            return "icmp_truncated";
    }
    return "unknown";
}

Parsed<TransportView> parse_transport(Bytes frame) {
    auto ethernet = parse_ethernet(frame);
    if (!ethernet) return std::unexpected(ethernet.error());
    TransportView view;
    view.ethernet = *ethernet;
    if (ethernet->ether_type != kEtherTypeIpv4) return view;
    auto ipv4 = parse_ipv4(ethernet->payload);
    if (!ipv4) return std::unexpected(ipv4.error());
    view.ipv4 = *ipv4;
    const Ipv4Header& ip = *ipv4->header;
    view.flow = {ip.source, ip.destination, 0, 0, ip.protocol};
    if (ip.is_fragment()) return view;
    if (ip.protocol == kProtocolTcp) {
        auto tcp = parse_tcp(ipv4->payload);
        if (!tcp) return std::unexpected(tcp.error());
        view.tcp = tcp->header;
        view.tcp_options = tcp->options;
        view.payload = tcp->payload;
        view.flow.source_port = tcp->header->source_port.host();
        view.flow.destination_port = tcp->header->destination_port.host();
    } else if (ip.protocol == kProtocolUdp) {
        auto udp = parse_udp(ipv4->payload);
        if (!udp) return std::unexpected(udp.error());
        view.udp = udp->header;
        view.payload = udp->payload;
        view.flow.source_port = udp->header->source_port.host();
        view.flow.destination_port = udp->header->destination_port.host();
    }
    return view;
}

}  // namespace dsr::wire
