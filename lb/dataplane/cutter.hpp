// Cuts a packet that does not fit its egress interface into frames that do: a TCP super-frame into segments, an IPv4
// datagram into fragments. Each gets its link header, and its outer header when the packet is encapsulated. Used by
// drivers while they copy.
#pragma once

#include <cstdint>

#include "common/wire/parse.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

// The payload of one segment or fragment for a packet of at most `mtu` bytes; 0 when there is no room for any.
std::uint16_t segment_payload(const wire::Ipv4View& ip, std::size_t tcp_header_length, std::uint32_t mtu);
std::uint16_t fragment_payload(const wire::Ipv4View& ip, std::uint32_t mtu);  // a multiple of 8

class Cutter {
public:
    // A packet that forward() marked with a Cut. Its bytes must stay as they are until done().
    explicit Cutter(const Packet& packet);

    // Nothing is left; at once for what cannot be cut.
    [[nodiscard]] bool done() const { return sent_ == payload_.size(); }

    // Writes the next frame into `scratch` and returns it; empty when `scratch` is too small. The bytes behind the
    // headers are the payload's, each once and in order.
    wire::Bytes next(wire::MutableBytes scratch);

private:
    void finish_segment(wire::MutableBytes segment, bool last) const;
    void finish_fragment(wire::MutableBytes ip_packet, bool last) const;

    Cut cut_;
    wire::Bytes headers_;  // everything in front of the payload
    wire::Bytes payload_;
    std::size_t outer_offset_ = 0;  // of the outer header; where there is none, the same as:
    std::size_t ip_offset_ = 0;
    std::size_t piece_payload_;
    std::size_t sent_ = 0;  // payload bytes
    std::uint16_t index_ = 0;
};

}  // namespace dsr::lb
