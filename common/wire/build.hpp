// Writes whole frames, layer by layer, into the caller's bytes; lengths and checksums are filled in by finish().
// Allocates nothing. Knows formats only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "common/wire/headers.hpp"

namespace dsr::wire {

struct Ipv4Fields {
    Ipv4Address source = {};
    Ipv4Address destination = {};
    std::uint8_t ttl = 64;
    std::uint8_t tos = 0;
    std::uint16_t id = 0;
    bool dont_fragment = true;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;  // bytes, a multiple of 8
    Bytes options = {};                 // 0..40 bytes, a multiple of 4
    std::uint8_t protocol = 0;          // of bare payload (a fragment's); a layer that follows sets its own
};

struct TcpFields {
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint32_t sequence = 0;
    std::uint32_t acknowledgment = 0;
    std::uint8_t flags = 0;  // kTcpSyn, ...
    std::uint16_t window = 65535;
    Bytes options = {};  // 0..40 bytes, a multiple of 4
};

struct IcmpFields {
    std::uint8_t type = 0;
    std::uint8_t code = 0;
    std::uint16_t rest_high = 0;
    std::uint16_t rest_low = 0;
};

// Use: FrameBuilder(buffer).ethernet(...).ipv4(...).udp(...).payload(...).finish().
// Layers nest in call order (ipv4 inside ipv4 is IP-in-IP). Each layer sets the type field of the one around it.
class FrameBuilder {
public:
    // The buffer is overwritten from its start; it must outlive the builder.
    explicit FrameBuilder(MutableBytes buffer) : buffer_(buffer) {}

    FrameBuilder& ethernet(const MacAddress& destination, const MacAddress& source);
    // An 802.1Q tag with VLAN id 0..4095; only after ethernet() or vlan().
    FrameBuilder& vlan(std::uint16_t id);
    FrameBuilder& arp(std::uint16_t operation, const MacAddress& sender_mac, Ipv4Address sender_address,
                      const MacAddress& target_mac, Ipv4Address target_address);
    FrameBuilder& ipv4(const Ipv4Fields& fields);
    FrameBuilder& tcp(const TcpFields& fields);
    FrameBuilder& udp(std::uint16_t source_port, std::uint16_t destination_port);
    FrameBuilder& icmp(const IcmpFields& fields);
    FrameBuilder& payload(Bytes bytes);
    // `count` zero bytes after everything, outside every length: Ethernet padding.
    FrameBuilder& padding(std::size_t count);

    // The frame, or nullopt when the buffer was too small, a field out of range or the layers too many (8).
    std::optional<MutableBytes> finish();

private:
    enum class Kind : std::uint8_t { ethernet, vlan, ipv4, tcp, udp, icmp, arp };
    struct Layer {
        Kind kind;
        std::size_t offset;
    };

    // Reserves zeroed bytes for a layer's header; null when there is no room.
    std::uint8_t* push(Kind kind, std::size_t header_size);
    void set_ether_type(std::uint16_t type);
    void set_protocol(std::uint8_t protocol);
    void finish_ipv4(std::size_t offset);
    void finish_transport(const Layer& ipv4, const Layer& layer);

    MutableBytes buffer_;
    std::size_t size_ = 0;
    std::size_t end_ = 0;  // where payload ends and padding starts
    std::array<Layer, 8> layers_{};
    std::size_t layer_count_ = 0;
    bool failed_ = false;
};

}  // namespace dsr::wire
