// Receives for all workers where a device cannot spread its frames over them: one thread that polls every port and
// hands each frame to the worker of its flow, through a ring.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <rte_mbuf.h>

#include "common/sys/error.hpp"
#include "lb/dataplane/driver.hpp"
#include "lb/driver/dpdk/buffer_ring.hpp"
#include "lb/driver/dpdk/port.hpp"

namespace dsr::lb {

class Receiver {
public:
    // `cores`: those that it may run on; empty: any. It runs until it is destroyed.
    static Result<std::unique_ptr<Receiver>> start(std::vector<DpdkPort*> ports, std::uint32_t workers,
                                                   std::vector<std::uint32_t> cores);
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;
    ~Receiver();

    // Where this worker's frames are; each has the index of its interface in `port`.
    [[nodiscard]] rte_ring* ring_of(std::uint32_t worker) const { return ways_[worker].ring.get(); }
    // Frames of this interface that a worker had no room for.
    [[nodiscard]] std::uint64_t overflowed(std::size_t interface) const {
        return overflows_[interface].load(std::memory_order_relaxed);
    }

private:
    struct Way {
        BufferRing ring;
        std::uint32_t count = 0;
        std::array<rte_mbuf*, kBurstSize> buffers{};
    };

    Receiver(std::vector<DpdkPort*> ports, std::vector<std::uint32_t> cores)
        : ports_(std::move(ports)), cores_(std::move(cores)), overflows_(ports_.size()) {}
    void run();
    bool serve(std::size_t interface, std::uint16_t queue);
    void hand_over(Way& way, std::size_t interface);

    std::vector<DpdkPort*> ports_;
    std::vector<std::uint32_t> cores_;
    std::vector<Way> ways_;  // one for each worker
    std::vector<std::atomic<std::uint64_t>> overflows_;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace dsr::lb
