// Bounds-checked reading of a frame, one function a layer. Nothing is copied: views point into the caller's bytes.
// Knows formats only; what a packet is for is decided elsewhere. Every function is safe on any bytes.
#pragma once

#include <expected>
#include <string_view>

#include "common/wire/checksum.hpp"
#include "common/wire/flow_key.hpp"
#include "common/wire/headers.hpp"

namespace dsr::wire {

enum class ParseError : std::uint8_t {
    ethernet_truncated,
    vlan_truncated,
    vlan_too_deep,  // more than two tags
    arp_truncated,
    arp_format,  // not Ethernet and IPv4
    ipv4_truncated,
    ipv4_version,
    ipv4_header_length,  // below 20 or beyond the packet
    ipv4_total_length,   // below the header's or beyond the frame
    ipv4_checksum,
    tcp_truncated,
    tcp_data_offset,  // below 20 or beyond the segment
    udp_truncated,
    udp_length,  // below 8 or beyond the datagram
    icmp_truncated,
};
inline constexpr std::size_t kParseErrorCount = 15;

// The name as counters and verdicts show it, for example "ipv4_checksum".
std::string_view name(ParseError error);

template <typename T>
using Parsed = std::expected<T, ParseError>;

struct EthernetView {
    const EthernetHeader* header = nullptr;
    std::uint16_t ether_type = 0;  // of what follows the tags; below 0x600 it is an IEEE 802.3 length
    std::uint8_t tags = 0;         // 802.1Q and 802.1ad tags, 0..2
    Bytes payload;                 // with any padding
};

struct Ipv4View {
    const Ipv4Header* header = nullptr;
    Bytes options;  // 0..40 bytes
    Bytes payload;  // ends where total_length says: Ethernet padding is not in it
    [[nodiscard]] Bytes header_bytes() const {
        return {reinterpret_cast<const std::uint8_t*>(header), sizeof(Ipv4Header) + options.size()};
    }
};

struct TcpView {
    const TcpHeader* header = nullptr;
    Bytes options;  // 0..40 bytes
    Bytes payload;
};

struct UdpView {
    const UdpHeader* header = nullptr;
    Bytes payload;
};

struct IcmpView {
    const IcmpHeader* header = nullptr;
    Bytes payload;  // for errors: the quoted packet
};

inline Parsed<EthernetView> parse_ethernet(Bytes frame) {
    if (frame.size() < sizeof(EthernetHeader)) return std::unexpected(ParseError::ethernet_truncated);
    EthernetView view{&header_at<EthernetHeader>(frame), 0, 0, frame.subspan(sizeof(EthernetHeader))};
    view.ether_type = view.header->ether_type.host();
    while (view.ether_type == kEtherTypeVlan || view.ether_type == kEtherTypeQinQ) [[unlikely]] {
        if (view.tags == 2) return std::unexpected(ParseError::vlan_too_deep);
        if (view.payload.size() < sizeof(VlanTag)) return std::unexpected(ParseError::vlan_truncated);
        view.ether_type = header_at<VlanTag>(view.payload).ether_type.host();
        view.payload = view.payload.subspan(sizeof(VlanTag));
        ++view.tags;
    }
    return view;
}

inline Parsed<const ArpHeader*> parse_arp(Bytes payload) {
    if (payload.size() < sizeof(ArpHeader)) return std::unexpected(ParseError::arp_truncated);
    const auto& arp = header_at<ArpHeader>(payload);
    if (arp.hardware_type.host() != 1 || arp.protocol_type.host() != kEtherTypeIpv4 || arp.hardware_length != 6 ||
        arp.protocol_length != 4)
        return std::unexpected(ParseError::arp_format);
    return &arp;
}

// As parse_ipv4, for a packet that an ICMP error quotes: total_length may promise more than is there.
inline Parsed<Ipv4View> parse_quoted_ipv4(Bytes packet) {
    if (packet.size() < sizeof(Ipv4Header)) return std::unexpected(ParseError::ipv4_truncated);
    const auto& header = header_at<Ipv4Header>(packet);
    if (header.version() != 4) return std::unexpected(ParseError::ipv4_version);
    const std::size_t header_length = header.header_length();
    if (header_length < sizeof(Ipv4Header) || header_length > packet.size())
        return std::unexpected(ParseError::ipv4_header_length);
    return Ipv4View{&header, packet.subspan(sizeof(Ipv4Header), header_length - sizeof(Ipv4Header)),
                    packet.subspan(header_length)};
}

// The lengths are checked against the bytes at hand, the checksum is not (see verify_ipv4_checksum).
inline Parsed<Ipv4View> parse_ipv4(Bytes packet) {
    auto view = parse_quoted_ipv4(packet);
    if (!view) return view;
    const std::size_t header_length = view->header->header_length();
    const std::size_t total_length = view->header->total_length.host();
    if (total_length < header_length || total_length > packet.size())
        return std::unexpected(ParseError::ipv4_total_length);
    view->payload = packet.subspan(header_length, total_length - header_length);
    return view;
}

inline bool verify_ipv4_checksum(const Ipv4View& view) {
    return checksum_valid(view.header_bytes());
}

inline Parsed<TcpView> parse_tcp(Bytes segment) {
    if (segment.size() < sizeof(TcpHeader)) return std::unexpected(ParseError::tcp_truncated);
    const auto& header = header_at<TcpHeader>(segment);
    const std::size_t header_length = header.header_length();
    if (header_length < sizeof(TcpHeader) || header_length > segment.size())
        return std::unexpected(ParseError::tcp_data_offset);
    return TcpView{&header, segment.subspan(sizeof(TcpHeader), header_length - sizeof(TcpHeader)),
                   segment.subspan(header_length)};
}

inline Parsed<UdpView> parse_udp(Bytes datagram) {
    if (datagram.size() < sizeof(UdpHeader)) return std::unexpected(ParseError::udp_truncated);
    const auto& header = header_at<UdpHeader>(datagram);
    const std::size_t length = header.length.host();
    if (length < sizeof(UdpHeader) || length > datagram.size()) return std::unexpected(ParseError::udp_length);
    return UdpView{&header, datagram.subspan(sizeof(UdpHeader), length - sizeof(UdpHeader))};
}

inline Parsed<IcmpView> parse_icmp(Bytes message) {
    if (message.size() < sizeof(IcmpHeader)) return std::unexpected(ParseError::icmp_truncated);
    return IcmpView{&header_at<IcmpHeader>(message), message.subspan(sizeof(IcmpHeader))};
}

// A frame read down to TCP or UDP, for the programs that look at captures (the data plane goes layer by layer).
struct TransportView {
    EthernetView ethernet;
    Ipv4View ipv4;
    FlowKey flow;
    const TcpHeader* tcp = nullptr;  // exactly one of tcp and udp is set
    const UdpHeader* udp = nullptr;
    Bytes tcp_options;
    Bytes payload;
};

// nullopt-like: an error only for malformed frames; frames that are no whole TCP segment or UDP datagram over IPv4
// (ARP, ICMP, fragments, ...) give a view whose `tcp` and `udp` are both null.
Parsed<TransportView> parse_transport(Bytes frame);

}  // namespace dsr::wire
