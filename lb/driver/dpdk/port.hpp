// One DPDK port: configured for so many workers, started, watched. Its queues are used by dpdk_driver.cpp and
// receiver.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <rte_mempool.h>
#include <rte_spinlock.h>

#include "common/sys/error.hpp"
#include "lb/driver/dpdk/dpdk_drivers.hpp"

namespace dsr::lb {

// A transmit queue, shared by several workers where the device has fewer than there are.
struct TransmitQueue {
    std::uint16_t number = 0;
    rte_spinlock_t* lock = nullptr;  // null: one worker has it alone
};

class DpdkPort {
public:
    // What the device can do, before it is configured.
    static Result<std::unique_ptr<DpdkPort>> find(const DpdkInterface& interface, std::uint16_t id,
                                                  std::uint32_t workers);
    DpdkPort(const DpdkPort&) = delete;
    DpdkPort& operator=(const DpdkPort&) = delete;
    ~DpdkPort();

    // The device itself can spread flows over this many queues, one for each worker.
    [[nodiscard]] bool spreads() const { return spreads_; }
    [[nodiscard]] int numa_node() const;
    // Buffers that its queues hold at most.
    [[nodiscard]] std::uint32_t buffers() const;

    // `spread`: a receive queue for each worker, filled by the device; false: whatever queues there are, for one core.
    // `only_pool`: all frames of all ports are in buffers of `pool`.
    Result<void> start(rte_mempool* pool, bool only_pool, bool spread);

    [[nodiscard]] std::uint16_t id() const { return id_; }
    [[nodiscard]] std::uint16_t receive_queues() const { return receive_queues_; }
    [[nodiscard]] rte_mempool* pool() const { return pool_; }
    [[nodiscard]] TransmitQueue transmit_queue(std::uint32_t worker);
    [[nodiscard]] const DpdkInterface& interface() const { return interface_; }

    // False once the device has vanished: nobody touches its queues any more.
    [[nodiscard]] bool usable() const { return !gone_.load(std::memory_order_relaxed); }
    // Looks whether the device and its link are there; a sentence when that has changed. `in_kernel` and `kernel_link`
    // are about the kernel's interface that it works on, true where there is none.
    std::string look(bool in_kernel, bool kernel_link);
    // DPDK has been told that the device is taken away. By any thread.
    void note_removal() { removed_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool link() const { return link_; }
    // Frames the device had no room for.
    [[nodiscard]] std::uint64_t missed();

private:
    DpdkPort(DpdkInterface interface, std::uint16_t id, std::uint32_t workers)
        : interface_(std::move(interface)), id_(id), workers_(workers) {}

    Result<void> check_mtu(std::uint16_t max_mtu) const;
    Result<void> settle_mac() const;
    Result<void> set_up_queues(bool free_fast);
    [[nodiscard]] bool vanished() const;
    [[nodiscard]] bool has_link() const;
    void show_kernel(bool link) const;
    [[nodiscard]] Error failure(const std::string& what, int code) const;
    [[nodiscard]] std::string subject() const;

    DpdkInterface interface_;
    std::uint16_t id_;
    std::uint32_t workers_;
    rte_mempool* pool_ = nullptr;
    std::uint16_t receive_descriptors_ = 0;
    std::uint16_t transmit_descriptors_ = 0;
    std::uint16_t receive_queues_ = 1;
    std::uint16_t transmit_queues_ = 1;
    std::vector<rte_spinlock_t> locks_;
    bool spreads_ = false;
    bool started_ = false;
    bool link_ = true;  // until look() has found that there is none
    std::uint64_t missed_ = 0;
    std::atomic<bool> removed_{false};
    std::atomic<bool> gone_{false};
};

}  // namespace dsr::lb
