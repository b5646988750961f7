// What a worker counts. Written by one worker, read by anyone at any time: single 64-bit words, no locks; a reader may
// see one packet in `received` that is not yet in its verdict.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

class Counter {
public:
    // Only by the owning worker: a load and a store, no locked instruction.
    void add(std::uint64_t count = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

struct ServiceCounters {
    Counter packets;         // forwarded
    Counter return_packets;  // from the VIP and service port to lb's own MAC: DSR replies that should have bypassed it
};

struct ServerCounters {
    Counter packets;  // forwarded
    Counter bounced;  // came back from the server: it does not own the VIP
};

struct Counters {
    Counter received;
    std::array<Counter, 3> verdicts;  // by Verdict; dropped ones are in `dropped`
    std::array<Counter, kDropCount> dropped;
    Counter new_flows;
    Counter flow_table_full;  // new flows that found no room: served by the ring alone
    // Indexed by ServiceId and ServerId. Sized for every id there can be, 2 MB, so that a reload never moves them.
    std::unique_ptr<ServiceCounters[]> services{new ServiceCounters[kNoId]};
    std::unique_ptr<ServerCounters[]> servers{new ServerCounters[kNoId]};

    // Counts the packet's end.
    void account(const Packet& packet) {
        received.add();
        if (packet.verdict == Verdict::dropped)
            dropped[static_cast<std::size_t>(packet.reason)].add();
        else
            verdicts[static_cast<std::size_t>(packet.verdict)].add();
        if (packet.verdict == Verdict::forwarded) {
            services[packet.service].packets.add();
            servers[packet.server].packets.add();
        }
    }
};

}  // namespace dsr::lb
