// The packets the evaluator of packet filters is asked about. One value stands for a class of packets: what is not
// named may be anything, and a verdict holds for all of the class. Knows nothing of rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/wire/address.hpp"

namespace dsr::serverprep::firewall {

struct FilteredPacket {
    enum class Direction : std::uint8_t { arriving, leaving };
    Direction direction = Direction::arriving;
    std::string link;                         // where it comes in or goes out; never empty
    std::optional<wire::Ipv4Address> source;  // none: any client's, that is any unicast address (arriving)
    std::optional<wire::Ipv4Address>
        destination;  // none: any client's (leaving); an arriving packet is for an address of this host
    std::uint8_t protocol = 6;
    std::optional<std::uint16_t> source_port;  // none: any from 1 on; without meaning unless TCP or UDP
    std::optional<std::uint16_t> destination_port;
    bool established = false;  // what connection tracking says; a TCP packet of no connection is a SYN
};

}  // namespace dsr::serverprep::firewall
