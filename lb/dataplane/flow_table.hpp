// Which server a flow was given: fixed memory, 16 bytes a flow, 4 flows to a cache line. Never grows; a bucket full of
// live flows refuses new ones, and the ring alone then serves them. Owned by one worker; knows nothing of services.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/wire/flow_key.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

// Seconds on the worker's clock, modulo 2^16.
using FlowTime = std::uint16_t;

class FlowTable {
public:
    struct Entry {
        std::uint32_t source = 0;  // host order
        std::uint16_t source_port = 0;
        std::uint16_t destination_port = 0;
        std::uint16_t vip_id = 0;
        ServerId server = kNoId;
        FlowTime expires = 0;     // valid until then; meaningless when `never`
        std::uint8_t in_use = 0;  // kFree | kTimed | kNever
        std::uint8_t unused = 0;
    };
    static_assert(sizeof(Entry) == 16);

    // Room for at least `entries` flows (4 .. 2^30), rounded up to a power of two.
    explicit FlowTable(std::size_t entries);

    void prefetch(std::uint64_t flow_hash) const { __builtin_prefetch(&bucket(flow_hash), 1); }

    // The live entry of a flow, or null.
    Entry* find(const wire::FlowKey& flow, std::uint16_t vip_id, std::uint64_t flow_hash, FlowTime now);

    // Takes a free or expired entry for a flow that find() did not find; null when the bucket is full of live flows.
    Entry* insert(const wire::FlowKey& flow, std::uint16_t vip_id, std::uint64_t flow_hash, FlowTime now);

    // Starts an entry's idle timeout anew: seconds 1..14400, 0: never.
    static void touch(Entry& entry, FlowTime now, std::uint16_t idle_timeout) {
        entry.in_use = idle_timeout == 0 ? kNever : kTimed;
        entry.expires = static_cast<FlowTime>(now + idle_timeout);
    }

    // Frees expired entries in the next `buckets` buckets. Called often enough to come round within an hour, it keeps
    // an entry that idled for 18 hours (FlowTime's period) from looking alive again.
    void sweep(std::size_t buckets, FlowTime now);

    [[nodiscard]] std::size_t bucket_count() const { return mask_ + 1; }
    [[nodiscard]] std::size_t capacity() const { return bucket_count() * kWays; }
    // Live entries; walks the whole table.
    [[nodiscard]] std::size_t count(FlowTime now) const;

private:
    static constexpr std::size_t kWays = 4;
    static constexpr std::uint8_t kFree = 0;
    static constexpr std::uint8_t kTimed = 1;
    static constexpr std::uint8_t kNever = 2;
    static constexpr FlowTime kLongestTimeout = 14400;

    struct alignas(64) Bucket {
        Entry entries[kWays];
    };
    static_assert(sizeof(Bucket) == 64);

    // Low bits of the hash: the ring uses the high ones.
    [[nodiscard]] Bucket& bucket(std::uint64_t flow_hash) const { return buckets_[flow_hash & mask_]; }
    static bool live(const Entry& entry, FlowTime now) {
        return entry.in_use == kNever ||
               (entry.in_use == kTimed && static_cast<FlowTime>(entry.expires - now) <= kLongestTimeout);
    }

    std::size_t mask_;
    std::unique_ptr<Bucket[]> buckets_;
    std::size_t sweep_position_ = 0;
};

}  // namespace dsr::lb
