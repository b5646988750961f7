// Moves frames between network interfaces and the data plane through libpcap (AF_PACKET). Hides libpcap.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "lb/dataplane/driver.hpp"

namespace dsr::lb {

struct PcapInterface {
    std::string name;
    std::uint32_t mtu = 1500;  // bytes; the largest piece that a packet is cut into
};

// Frames that the kernel had no room for, since the driver was opened, one number an interface.
using KernelDrops = std::vector<std::uint64_t>;

class PcapDriver : public Driver {
public:
    // Captures from here on. Errors name the interface and what to do.
    static Result<std::unique_ptr<PcapDriver>> open(const std::vector<PcapInterface>& interfaces);

    [[nodiscard]] virtual KernelDrops kernel_drops() = 0;
};

}  // namespace dsr::lb
