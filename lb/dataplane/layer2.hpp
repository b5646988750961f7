// Layer 2 DSR: the frame goes to the server as it is, with new MAC addresses.
#pragma once

#include "common/wire/headers.hpp"

namespace dsr::lb {

//   0                6                12
//   +----------------+----------------+-------------
//   | server's MAC   | our MAC        | type, IP ...   the IP packet is not touched: not even its TTL
//   +----------------+----------------+-------------
// The source must be ours too: with the client's left in, switches would learn the client on our port.
inline void rewrite_layer2(wire::MutableBytes frame, const wire::MacAddress& server, const wire::MacAddress& ours) {
    auto& ethernet = wire::header_at<wire::EthernetHeader>(frame);
    ethernet.destination = server;
    ethernet.source = ours;
}

}  // namespace dsr::lb
