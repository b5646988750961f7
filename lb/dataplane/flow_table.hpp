// Which server a flow was given: fixed memory, 16 bytes a flow, 4 flows to a cache line. Never grows; a bucket full of
// established flows refuses new ones, and the ring alone then serves them. Owned by one worker; knows nothing of
// services.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/wire/flow_key.hpp"
#include "lb/dataplane/flow_time.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

// What a packet says about its flow. Only the client's direction is seen.
enum class FlowEvent : std::uint8_t { data, syn, fin, rst };

// The state of a flow, as far as the client's direction shows it:
//
//                 data           syn            fin        rst
//   (new)         half_open      half_open      closing    not remembered
//   half_open     established    half_open      closing    reset       one packet may be forged: it proves nothing
//   established   established    established    closing    reset       a SYN may be forged: it takes nothing away
//   closing       closing        half_open      closing    reset
//   reset         established    half_open      closing    reset       a RST may be forged: data takes it back
//
// Half-open and reset flows expire soon, never last, and give way to others when their bucket is full: a flood of first
// packets ends nobody else.
enum class FlowState : std::uint8_t { free, half_open, established, closing, reset };

class FlowTable {
public:
    // What an entry keeps of a flow; the VIP and the protocol are its vip_id.
    struct Key {
        std::uint64_t value;  // source address, source port, destination port
        // NOLINTNEXTLINE(google-explicit-constructor): every flow has one
        Key(const wire::FlowKey& flow)
            : value(std::uint64_t{flow.source.host()} << 32U | std::uint64_t{flow.source_port} << 16U |
                    flow.destination_port) {}
    };
    struct alignas(16) Entry {
        std::uint64_t key = 0;  // Key::value
        std::uint16_t vip_id = 0;
        FlowTime expires = 0;  // valid until then
        std::uint32_t server : 24 = kNoServer;
        FlowState state : 4 = FlowState::free;
        bool lasting : 1 = false;  // never expires
    };
    static_assert(sizeof(Entry) == 16);

    // Room for at least `entries` flows (4 .. 2^30), rounded up to a power of two. All memory is taken here, in huge
    // pages where the kernel has them.
    explicit FlowTable(std::size_t entries);

    void prefetch(std::uint64_t flow_hash) const { __builtin_prefetch(&bucket(flow_hash), 1); }

    // The live entry of a flow, or null.
    Entry* find(Key key, std::uint16_t vip_id, std::uint64_t flow_hash, FlowTime now) {
        Entry(&entries)[kWays] = bucket(flow_hash).entries;
        // All are compared before any branch: which of them it is cannot be predicted, that it is one of them can.
        static_assert(kWays == 4);
        unsigned same = static_cast<unsigned>(entries[0].key == key.value) |
                        static_cast<unsigned>(entries[1].key == key.value) << 1U |
                        static_cast<unsigned>(entries[2].key == key.value) << 2U |
                        static_cast<unsigned>(entries[3].key == key.value) << 3U;
        // The first may be another VIP's, or an expired one left in front of the live one.
        for (; same != 0; same &= same - 1)
            if (Entry& entry = entries[std::countr_zero(same)]; entry.vip_id == vip_id && live(entry, now)) [[likely]]
                return &entry;
        return nullptr;
    }

    // An entry for a flow that find() did not find: a free or expired one, else a half-open or reset flow's; null when
    // the bucket is full of others. Its state is free until advance().
    Entry* insert(Key key, std::uint16_t vip_id, std::uint64_t flow_hash, FlowTime now);

    // The next state, and the timeout anew: `idle_timeout` seconds 1..14400, 0: never. Half-open, closing and reset
    // flows have shorter ones of their own, and never last.
    static void advance(Entry& entry, FlowEvent event, FlowTime now, std::uint16_t idle_timeout) {
        if (entry.state != FlowState::established || event > FlowEvent::syn) [[unlikely]]
            return change(entry, event, now, idle_timeout);
        // Only a reload can change it: no store next to what the next packet of the flow reads.
        if (entry.lasting != (idle_timeout == 0)) [[unlikely]]
            entry.lasting = idle_timeout == 0;
        entry.expires = static_cast<FlowTime>(now + idle_timeout);
    }

    // Frees expired entries in the next `buckets` buckets. Called often enough to come round within an hour, it keeps
    // an entry that idled for 18 hours (FlowTime's period) from looking alive again.
    void sweep(std::size_t buckets, FlowTime now);

    [[nodiscard]] std::size_t bucket_count() const { return mask_ + 1; }
    [[nodiscard]] std::size_t capacity() const { return bucket_count() * kWays; }
    [[nodiscard]] std::size_t memory() const { return bucket_count() * sizeof(Bucket); }  // bytes
    // Live entries; walks the whole table.
    [[nodiscard]] std::size_t count(FlowTime now) const;

private:
    static constexpr std::size_t kWays = 4;
    static constexpr FlowTime kLongestTimeout = 14400;

    struct alignas(64) Bucket {
        Entry entries[kWays];
    };
    static_assert(sizeof(Bucket) == 64);
    struct Free {
        void operator()(Bucket* buckets) const;
    };

    // advance() when the flow does not just stay established.
    static void change(Entry& entry, FlowEvent event, FlowTime now, std::uint16_t idle_timeout);
    // Low bits of the hash: the ring uses the high ones.
    [[nodiscard]] Bucket& bucket(std::uint64_t flow_hash) const { return buckets_[flow_hash & mask_]; }
    static bool live(const Entry& entry, FlowTime now) {
        return entry.state != FlowState::free &&
               (entry.lasting || static_cast<FlowTime>(entry.expires - now) <= kLongestTimeout);
    }

    std::size_t mask_;
    std::unique_ptr<Bucket[], Free> buckets_;
    std::size_t sweep_position_ = 0;
};

}  // namespace dsr::lb
