// Does in software what a network card would have done had the frame really been on a wire: behind veth, virtio or
// receive offload, frames arrive with unfinished TCP/UDP checksums and as TCP super-frames of up to 64 KiB.
#pragma once

#include <cstdint>

#include "common/wire/parse.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

// Finishes the TCP or UDP checksum if it is unfinished, which is recognised without reading the payload: the field then
// holds the bare pseudo-header's sum. (Finishing a checksum that was valid after all gives the same value.)
void finish_checksum(wire::Bytes ip_header, wire::MutableBytes transport);

// Whether a TCP or UDP checksum is left to be finished, or else is right. Reads the payload only of finished ones.
bool checksum_unfinished_or_right(const wire::Ipv4View& ip);

// The largest TCP payload for a packet of at most `mtu` bytes; 0 when not even the headers fit.
std::uint16_t segment_payload_for(const wire::Ipv4View& ip, std::size_t tcp_header_length, std::uint32_t mtu);

// Cuts a TCP super-frame into segments: sequence number and IP ID advance, PSH and FIN stay on the last, CWR on the
// first only (RFC 3168 section 6.1.2), lengths and checksums are new.
class TcpSegmenter {
public:
    // `frame` must stay as it is until done(). `payload_size`: at most so many bytes of payload in a segment.
    TcpSegmenter(wire::Bytes frame, std::uint16_t payload_size);

    // Nothing is left; at once for what is no TCP segment with payload over IPv4.
    [[nodiscard]] bool done() const { return sent_ == payload_.size(); }

    // Writes the next segment into `scratch` and returns it; empty when `scratch` is too small.
    wire::Bytes next(wire::MutableBytes scratch);

private:
    wire::Bytes headers_;
    wire::Bytes payload_;
    std::size_t ip_offset_ = 0;
    std::size_t tcp_offset_ = 0;
    std::uint16_t payload_size_;
    std::size_t sent_ = 0;  // payload bytes
    std::uint16_t index_ = 0;
};

}  // namespace dsr::lb
