// The headers as they lie on the wire. Only layout and the names of field values; no checks (parse.hpp) and no
// writing of whole packets (build.hpp). All have alignment 1 and may be laid over any byte of a frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/wire/address.hpp"
#include "common/wire/endian.hpp"

namespace dsr::wire {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeVlan = 0x8100;  // IEEE 802.1Q customer tag
inline constexpr std::uint16_t kEtherTypeQinQ = 0x88a8;  // IEEE 802.1ad service tag

inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolIpip = 4;  // RFC 2003
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;

struct EthernetHeader {
    MacAddress destination;
    MacAddress source;
    be16 ether_type;
};
static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

// IEEE 802.1Q: follows the source address; `ether_type` is that of what the tag wraps.
struct VlanTag {
    be16 control;  // 3 bits priority, 1 bit drop eligible, 12 bits VLAN id
    be16 ether_type;
};
static_assert(sizeof(VlanTag) == 4 && alignof(VlanTag) == 1);

// RFC 826 for Ethernet and IPv4.
struct ArpHeader {
    be16 hardware_type;
    be16 protocol_type;
    std::uint8_t hardware_length;
    std::uint8_t protocol_length;
    be16 operation;
    MacAddress sender_mac;
    Ipv4Address sender_address;
    MacAddress target_mac;
    Ipv4Address target_address;
};
static_assert(sizeof(ArpHeader) == 28 && alignof(ArpHeader) == 1);
inline constexpr std::uint16_t kArpRequest = 1;
inline constexpr std::uint16_t kArpReply = 2;

// RFC 791 section 3.1.
struct Ipv4Header {
    std::uint8_t version_and_length;
    std::uint8_t tos;
    be16 total_length;  // header and payload, bytes
    be16 id;
    be16 flags_and_offset;
    std::uint8_t ttl;
    std::uint8_t protocol;
    be16 checksum;
    Ipv4Address source;
    Ipv4Address destination;

    [[nodiscard]] std::uint8_t version() const { return version_and_length >> 4U; }
    [[nodiscard]] std::size_t header_length() const { return (version_and_length & 15U) * std::size_t{4}; }
    [[nodiscard]] bool dont_fragment() const { return (flags_and_offset.raw() & be16(0x4000).raw()) != 0; }
    [[nodiscard]] bool more_fragments() const { return (flags_and_offset.host() & 0x2000U) != 0; }
    // Bytes from the start of the original payload.
    [[nodiscard]] std::size_t fragment_offset() const { return (flags_and_offset.host() & 0x1fffU) * std::size_t{8}; }
    [[nodiscard]] bool is_fragment() const { return (flags_and_offset.raw() & be16(0x3fff).raw()) != 0; }
};
static_assert(sizeof(Ipv4Header) == 20 && alignof(Ipv4Header) == 1);
inline constexpr std::uint16_t kIpv4DontFragment = 0x4000;
inline constexpr std::uint16_t kIpv4MoreFragments = 0x2000;

// RFC 9293 section 3.1.
struct TcpHeader {
    be16 source_port;
    be16 destination_port;
    be32 sequence;
    be32 acknowledgment;
    std::uint8_t data_offset_and_reserved;
    std::uint8_t flags;
    be16 window;
    be16 checksum;
    be16 urgent_pointer;

    [[nodiscard]] std::size_t header_length() const { return (std::size_t{data_offset_and_reserved} >> 2U) & 0x3cU; }
};
static_assert(sizeof(TcpHeader) == 20 && alignof(TcpHeader) == 1);
inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpSyn = 0x02;
inline constexpr std::uint8_t kTcpRst = 0x04;
inline constexpr std::uint8_t kTcpPsh = 0x08;
inline constexpr std::uint8_t kTcpAck = 0x10;
inline constexpr std::uint8_t kTcpUrg = 0x20;
inline constexpr std::uint8_t kTcpEce = 0x40;
inline constexpr std::uint8_t kTcpCwr = 0x80;

// RFC 768.
struct UdpHeader {
    be16 source_port;
    be16 destination_port;
    be16 length;    // header and payload, bytes
    be16 checksum;  // 0: none was computed
};
static_assert(sizeof(UdpHeader) == 8 && alignof(UdpHeader) == 1);

// RFC 792; `rest` is identifier and sequence (echo) or unused and next-hop MTU (RFC 1191).
struct IcmpHeader {
    std::uint8_t type;
    std::uint8_t code;
    be16 checksum;
    be16 rest_high;
    be16 rest_low;
};
static_assert(sizeof(IcmpHeader) == 8 && alignof(IcmpHeader) == 1);
inline constexpr std::uint8_t kIcmpEchoReply = 0;
inline constexpr std::uint8_t kIcmpDestinationUnreachable = 3;
inline constexpr std::uint8_t kIcmpSourceQuench = 4;  // deprecated by RFC 6633
inline constexpr std::uint8_t kIcmpRedirect = 5;
inline constexpr std::uint8_t kIcmpEchoRequest = 8;
inline constexpr std::uint8_t kIcmpTimeExceeded = 11;
inline constexpr std::uint8_t kIcmpParameterProblem = 12;
inline constexpr std::uint8_t kIcmpCodeProtocolUnreachable = 2;
inline constexpr std::uint8_t kIcmpCodePortUnreachable = 3;
inline constexpr std::uint8_t kIcmpCodeFragmentationNeeded = 4;

// Lays a header over bytes; the caller has checked that `bytes` holds sizeof(Header).
template <typename Header>
const Header& header_at(Bytes bytes, std::size_t offset = 0) {
    static_assert(alignof(Header) == 1);
    return *reinterpret_cast<const Header*>(bytes.data() + offset);
}
template <typename Header>
Header& header_at(MutableBytes bytes, std::size_t offset = 0) {
    static_assert(alignof(Header) == 1);
    return *reinterpret_cast<Header*>(bytes.data() + offset);
}

}  // namespace dsr::wire
