// One worker's driver over DPDK ports: bursts in from its receive queues, or from the receiving core, and out by its
// transmit queues. Frames stay in the device's buffers; only what does not fit them is copied.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "lb/dataplane/driver.hpp"
#include "lb/driver/dpdk/idle.hpp"
#include "lb/driver/dpdk/kernel_path.hpp"
#include "lb/driver/dpdk/port.hpp"

namespace dsr::lb {

class DpdkDriver final : public Driver {
public:
    // `received`: where the receiving core puts this worker's frames; null: the worker receives itself, from the queue
    // of its number. `cores`: those that the worker may run on; empty: any.
    DpdkDriver(std::vector<DpdkPort*> ports, KernelPath& kernel, std::uint32_t worker, rte_ring* received,
               std::vector<std::uint32_t> cores);
    DpdkDriver(const DpdkDriver&) = delete;
    DpdkDriver& operator=(const DpdkDriver&) = delete;
    ~DpdkDriver() override;

    void start_thread() override;
    std::size_t receive(std::span<Packet, kBurstSize> burst) override;
    void transmit(std::span<Packet> burst) override;
    std::uint64_t now() override;
    void wait(std::chrono::milliseconds at_most) override;
    void wake() override {}  // wait() is never long

    // Frames of this interface that could not be made fit for the data plane: for want of a buffer, or too long.
    [[nodiscard]] std::uint64_t unusable(std::size_t interface) const {
        return unusable_[interface].load(std::memory_order_relaxed);
    }

private:
    // Frames that leave by one port, until they are sent together.
    struct Outbox {
        TransmitQueue queue;
        std::uint16_t count = 0;
        std::array<rte_mbuf*, kBurstSize> buffers{};
        std::array<Packet*, kBurstSize> owners{};  // null: the kernel's
    };

    void receive_from_ports(std::span<Packet, kBurstSize> burst);
    void receive_from_ring(std::span<Packet, kBurstSize> burst);
    void take_in(std::span<Packet, kBurstSize> burst, rte_mbuf* buffer, std::uint8_t ingress);
    void send_otherwise(Packet& packet);
    void send_pieces(Packet& packet);
    rte_mbuf* take_buffer(Packet& packet);
    void give_to_kernel(Packet& packet);
    void send_for_kernel();
    void add(std::uint8_t interface, rte_mbuf* buffer, Packet* owner);
    void flush(std::uint8_t interface);
    void free_leftovers();

    std::vector<DpdkPort*> ports_;
    KernelPath& kernel_;
    std::uint32_t worker_;
    rte_ring* received_;
    std::vector<std::uint32_t> cores_;
    std::array<rte_mbuf*, kBurstSize> buffers_{};  // of the burst; null: handed on
    std::uint32_t count_ = 0;                      // of the burst
    std::uint32_t left_ = 0;                       // of those: not handed on yet
    std::vector<Outbox> outboxes_;
    std::size_t first_ = 0;
    bool to_kernel_ = false;  // something was given in this burst
    std::vector<std::atomic<std::uint64_t>> unusable_;
    Idle idle_;
};

}  // namespace dsr::lb
