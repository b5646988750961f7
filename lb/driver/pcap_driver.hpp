// Moves frames between network interfaces and the data plane through libpcap (AF_PACKET). Hides libpcap.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "lb/driver/drivers.hpp"

namespace dsr::lb {

struct PcapInterface {
    std::string name;
    std::uint32_t mtu = 1500;  // bytes; the largest piece that a packet is cut into
};

// For one worker. Captures from here on. Errors name the interface and what to do.
Result<std::unique_ptr<Drivers>> open_pcap(const std::vector<PcapInterface>& interfaces);

}  // namespace dsr::lb
