// Does in software what a network card would have done had the frame really been on a wire: behind veth and virtio,
// frames arrive with unfinished TCP/UDP checksums. (They also arrive as super-frames: cutter.hpp.)
#pragma once

#include <cstdint>

#include "common/wire/parse.hpp"

namespace dsr::lb {

// Finishes the TCP or UDP checksum if it is unfinished, which is recognised without reading the payload: the field then
// holds the bare pseudo-header's sum. (Finishing a checksum that was valid after all gives the same value.)
void finish_checksum(wire::Bytes ip_header, wire::MutableBytes transport);

// Whether a TCP or UDP checksum is left to be finished, or else is right. Reads the payload only of finished ones.
bool checksum_unfinished_or_right(const wire::Ipv4View& ip);

// Whether a UDP datagram has a checksum, and it is right: that of datagrams joined by receive offload is unfinished, or
// the first one's. Reads the payload.
bool udp_checksum_right(const wire::Ipv4View& ip);

}  // namespace dsr::lb
