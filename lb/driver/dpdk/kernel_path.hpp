// The way of frames that are not lb's: from workers to the kernel, through each interface's TAP, and from the kernel
// back to the device, which the first worker transmits by. A thread of its own reads and writes the TAPs; a worker
// makes one system call a burst at most, to wake it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <rte_mbuf.h>

#include "common/sys/error.hpp"
#include "common/sys/unique_fd.hpp"
#include "lb/driver/dpdk/buffer_ring.hpp"

namespace dsr::lb {

class KernelPath {
public:
    struct Tap {
        int descriptor = -1;             // -1: the kernel gets nothing of this interface
        bool software_offloads = false;  // its frames may have unfinished checksums, which no kernel takes from a TAP
    };
    // One for each interface.
    static Result<std::unique_ptr<KernelPath>> open(const std::vector<Tap>& taps, rte_mempool* pool);
    KernelPath(const KernelPath&) = delete;
    KernelPath& operator=(const KernelPath&) = delete;
    ~KernelPath();

    [[nodiscard]] bool leads_from(std::uint8_t interface) const { return ways_[interface] != nullptr; }
    // By any worker. Takes the buffer over; what the thread cannot keep up with is dropped and counted. The thread is
    // told by wake().
    void give(std::uint8_t interface, rte_mbuf* buffer);
    void wake();
    // By the first worker: frames that the kernel sends by this interface. The caller owns them.
    std::uint32_t take(std::uint8_t interface, rte_mbuf** buffers, std::uint32_t most);

    struct Counts {
        std::uint64_t to_kernel = 0;
        std::uint64_t from_kernel = 0;
        std::uint64_t dropped = 0;
    };
    [[nodiscard]] Counts counts(std::uint8_t interface) const;

private:
    struct Way {
        Tap tap;
        BufferRing to_kernel;
        BufferRing from_kernel;
        std::atomic<std::uint64_t> given{0};
        std::atomic<std::uint64_t> taken{0};
        std::atomic<std::uint64_t> dropped{0};
    };

    KernelPath(rte_mempool* pool, sys::UniqueFd wake_fd) : pool_(pool), wake_fd_(std::move(wake_fd)) {}
    void run();
    void write_frames(Way& way);
    void read_frames(Way& way);

    rte_mempool* pool_;
    sys::UniqueFd wake_fd_;
    std::vector<std::unique_ptr<Way>> ways_;  // null: the kernel gets nothing of this interface
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace dsr::lb
