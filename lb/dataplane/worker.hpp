// One thread of packet work: takes bursts from its driver, runs them through forward() with the newest forwarding table
// and has the driver send them. Knows nothing of where tables come from.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "common/wire/headers.hpp"
#include "lb/dataplane/driver.hpp"
#include "lb/dataplane/forwarding_table.hpp"
#include "lb/dataplane/mailbox.hpp"
#include "lb/dataplane/worker_state.hpp"

namespace dsr::lb {

// An ARP frame, untagged, without padding.
struct ArpFrame {
    std::uint8_t interface = 0;
    std::array<std::uint8_t, sizeof(wire::EthernetHeader) + sizeof(wire::ArpHeader)> bytes{};
};

// An ARP message that came in.
struct ArpMessage {
    std::uint8_t interface = 0;
    wire::ArpHeader arp;
};

class Worker {
public:
    // `table` must live until another one was published and in_use() says so.
    Worker(Driver& driver, std::size_t flow_table_entries, const ForwardingTable* table);

    // --- by the worker's thread ---

    // One burst: receive, forward, transmit, count; and fragments that need wait no longer. Returns how many were
    // received.
    std::size_t run_burst();
    // Bursts until stop(); then what the driver already holds is still served, and finish()ed.
    void run();
    // Drops the fragments that still wait.
    void finish();

    // --- by the control thread ---

    // Used from the next burst on.
    void publish(const ForwardingTable* table) {
        published_.store(table, std::memory_order_release);
        driver_.wake();
    }
    // The table the worker uses: older ones may be freed.
    [[nodiscard]] const ForwardingTable* in_use() const { return in_use_.load(std::memory_order_acquire); }
    // Sends a frame by the worker's driver. False: too many are waiting.
    bool send_arp(const ArpFrame& frame);
    bool take_arp(ArpMessage& message) { return heard_.take(message); }
    void stop() {
        stopping_.store(true, std::memory_order_relaxed);
        driver_.wake();
    }

    // --- by any thread ---
    [[nodiscard]] const Counters& counters() const { return state_.counters; }

private:
    void pick_up_table();
    void process(std::span<Packet> burst);
    void release_fragments();
    void tick(std::uint64_t now);
    void hear_arp(const Packet& packet);
    void send_waiting_arp();

    Driver& driver_;
    WorkerState state_;
    const ForwardingTable* table_;
    std::uint64_t now_ = 0;
    std::array<Packet, kBurstSize> burst_;
    std::atomic<const ForwardingTable*> published_;
    std::atomic<const ForwardingTable*> in_use_;
    std::atomic<bool> stopping_{false};
    Mailbox<ArpFrame, 1024> to_send_;
    Mailbox<ArpMessage, 1024> heard_;
};

}  // namespace dsr::lb
