// Layer 2 DSR: the frame goes to the server as it is, with new MAC addresses.
#pragma once

#include <cstring>

#include "common/wire/headers.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

// As they lie in a frame: written by one copy.
struct FrameAddresses {
    wire::MacAddress destination;
    wire::MacAddress source;
};
static_assert(sizeof(FrameAddresses) == 12);

//   0                6                12
//   +----------------+----------------+-------------
//   | server's MAC   | our MAC        | type, IP ...   the IP packet is not touched: not even its TTL
//   +----------------+----------------+-------------
// The source must be ours too: with the client's left in, switches would learn the client on our port.
inline void rewrite_layer2(wire::MutableBytes frame, const FrameAddresses& macs) {
    std::memcpy(frame.data(), &macs, sizeof macs);
}

// The frame goes back to whoever sent it, on the interface it came in by.
inline void send_back(Packet& packet, const wire::MacAddress& ours) {
    const wire::MacAddress sender = wire::header_at<wire::EthernetHeader>(packet.bytes()).source;
    rewrite_layer2(packet.mutable_bytes(), {.destination = sender, .source = ours});
    packet.egress = packet.ingress;
}

}  // namespace dsr::lb
