// What each server got of each service: counters keyed by (service, server), found by hashing. Written by one worker,
// read by anyone at any time; a pair stays where it is, so that a reload moves nothing.
#pragma once

#include <atomic>
#include <cstddef>
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

struct MemberCounts {
    Counter packets;  // forwarded
    Counter bounced;  // came back from the server: it does not own the VIP
};

class MemberCounters {
public:
    // Only by the owning worker. Once some 200,000 pairs were seen, further ones share one set of counters.
    MemberCounts& at(ServiceId service, ServerId server) {
        const std::uint64_t key = key_of(service, server);
        Slot& slot = slots_[index(key, 0)];
        return slot.key.load(std::memory_order_relaxed) == key ? slot.counts : search(key);
    }

    // Null when the pair was never counted.
    [[nodiscard]] const MemberCounts* find(ServiceId service, ServerId server) const {
        const std::uint64_t key = key_of(service, server);
        for (std::size_t probe = 0; probe < kProbes; ++probe) {
            const Slot& slot = slots_[index(key, probe)];
            const std::uint64_t found = slot.key.load(std::memory_order_acquire);
            if (found == key) return &slot.counts;
            if (found == kFree) return nullptr;
        }
        return nullptr;
    }

private:
    static constexpr std::size_t kSlots = std::size_t{1} << 18U;  // 6 MB
    static constexpr std::size_t kProbes = 64;
    static constexpr std::uint64_t kFree = ~std::uint64_t{0};

    struct Slot {
        std::atomic<std::uint64_t> key{kFree};
        MemberCounts counts;
    };

    // at() for a pair that is not where it would be first.
    [[gnu::noinline]] MemberCounts& search(std::uint64_t key) {
        for (std::size_t probe = 0; probe < kProbes; ++probe) {
            Slot& slot = slots_[index(key, probe)];
            const std::uint64_t found = slot.key.load(std::memory_order_relaxed);
            if (found == key) return slot.counts;
            if (found != kFree) continue;
            slot.key.store(key, std::memory_order_release);
            return slot.counts;
        }
        return rest_;
    }

    static std::uint64_t key_of(ServiceId service, ServerId server) { return std::uint64_t{service} << 24U | server; }
    static std::size_t index(std::uint64_t key, std::size_t probe) {
        return (static_cast<std::size_t>(key * 0x9e3779b97f4a7c15ULL >> 46U) + probe) % kSlots;
    }

    std::unique_ptr<Slot[]> slots_{new Slot[kSlots]};
    MemberCounts rest_;
};

}  // namespace dsr::lb
