// Does in software what a network card would have done had the frame really been on a wire: behind veth, virtio or
// receive offload, frames arrive with unfinished TCP/UDP checksums and as TCP super-frames of up to 64 KiB.
#pragma once

#include <cstdint>
#include <functional>

#include "common/wire/parse.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

// Finishes the TCP or UDP checksum if it is unfinished, which is recognised without reading the payload: the field then
// holds the bare pseudo-header's sum. (Finishing a checksum that was valid after all gives the same value.)
void finish_checksum(wire::Bytes ip_header, wire::MutableBytes transport);

// The largest TCP payload for a packet of at most `mtu` bytes; 0 when not even the headers fit.
std::uint16_t segment_payload_for(const wire::Ipv4View& ip, std::size_t tcp_header_length, std::uint32_t mtu);

// Cuts a TCP super-frame into segments of at most `payload_size` bytes of payload, written one after the other into
// `scratch`, and hands each to `emit`, which returns false to stop. Sequence number and IP ID advance, PSH and FIN stay on the
// last, CWR on the first only (RFC 3168 section 6.1.2), lengths and checksums are new. Returns false when `emit` did, or when
// `frame` is no TCP segment over IPv4 or `scratch` is too small.
bool segment_tcp(wire::Bytes frame, std::uint16_t payload_size, wire::MutableBytes scratch,
                 const std::function<bool(wire::Bytes)>& emit);

}  // namespace dsr::lb
