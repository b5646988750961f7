#include "lb/driver/dpdk/buffers.hpp"

#include <algorithm>

#include "lb/dataplane/driver.hpp"

namespace dsr::lb {

// The bursts and caches of a thread, what waits on its way to the kernel and back, what waits for a worker, and the
// descriptors of a port's queues for each worker.
constexpr std::uint32_t kOfThread = 2 * kPoolCache + 4 * std::uint32_t{kBurstSize};
constexpr std::uint32_t kOfKernelInterface = 2 * 1024;
constexpr std::uint32_t kOfReceiver = 1024;
constexpr std::uint32_t kOfQueues = 2 * 1024;

constexpr std::uint32_t kLeastFrame = 2048;  // cards want no smaller buffers
constexpr std::uint32_t kDeviceHeader = 64;  // some put something of their own in front (virtio)
constexpr std::uint64_t kOverhead = 384;     // of a buffer: DPDK's description of it, and its place in the pool
constexpr std::uint64_t kOwnNeed = 48;       // MiB: rings of the devices' queues, DPDK's tables

BufferPlan plan_buffers(const std::vector<PortNeeds>& ports, std::uint32_t workers) {
    BufferPlan plan;
    plan.beside_queues = (workers + 2) * kOfThread + workers * kOfReceiver;
    std::uint32_t frame = kLeastFrame;
    for (const PortNeeds& port : ports) {
        if (port.kernel_interface) plan.beside_queues += kOfKernelInterface;
        frame = std::max(frame, largest_frame(*port.device, port.mtu) + kDeviceHeader);
    }
    plan.size = static_cast<std::uint16_t>(std::min<std::uint32_t>(frame + kBufferHeadroom, 0xffff));
    // Ports on different NUMA nodes have a pool each.
    const std::uint64_t count = std::uint64_t{ports.size()} * (plan.beside_queues + std::uint64_t{workers} * kOfQueues);
    plan.memory = static_cast<std::uint32_t>((count * (plan.size + kOverhead) >> 20U) + kOwnNeed);
    return plan;
}

}  // namespace dsr::lb
