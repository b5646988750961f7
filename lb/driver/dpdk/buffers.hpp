// How many packet buffers lb needs, how large, and how much memory that is. Pure, and needs no DPDK.
#pragma once

#include <cstdint>
#include <vector>

#include "lb/driver/dpdk/device.hpp"

namespace dsr::lb {

inline constexpr std::uint32_t kBufferHeadroom = 128;  // DPDK's, in front of every frame
inline constexpr std::uint32_t kPoolCache = 256;       // buffers that each thread keeps at hand

struct PortNeeds {
    const DpdkDevice* device = nullptr;
    std::uint32_t mtu = 1500;
    bool kernel_interface = false;
};

struct BufferPlan {
    std::uint32_t beside_queues = 0;  // buffers that are in nobody's queue
    std::uint16_t size = 0;           // bytes of each, headroom included
    std::uint32_t memory = 0;         // MiB that all of them take, with what DPDK needs itself
};

// The queues are reckoned as lb would like them; a device may want others.
BufferPlan plan_buffers(const std::vector<PortNeeds>& ports, std::uint32_t workers);

}  // namespace dsr::lb
