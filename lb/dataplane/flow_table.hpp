// Which server a flow was given: fixed memory, 16 bytes a flow, 4 flows to a cache line. Never grows; a bucket full of
// established flows refuses new ones, and the ring alone then serves them. Owned by one worker; knows nothing of
// services.
#pragma once

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
// packets ends nobody else. An established flow of a service without timeout is a lasting one: it never expires.
enum class FlowState : std::uint8_t { free, half_open, established, closing, reset, lasting };

class FlowTable {
public:
    // What an entry keeps of a flow: source address, and both ports mixed with the destination address. That one and
    // the protocol are known from vip_id, so that two flows of a vip_id never have the same key.
    struct Key {
        std::uint64_t value = 0;
        Key() = default;
        // FlowKey::addresses() and FlowKey::ports().
        Key(std::uint64_t addresses, std::uint32_t ports) : value(addresses ^ ports) {}
        // NOLINTNEXTLINE(google-explicit-constructor): every flow has one
        Key(const wire::FlowKey& flow) : Key(flow.addresses(), flow.ports()) {}
    };
    struct alignas(16) Entry {
        std::uint64_t key = 0;  // Key::value
        std::uint16_t vip_id = 0;
        FlowTime expires = 0;  // valid until then
        std::uint32_t server : 24 = kNoServer;
        FlowState state : 8 = FlowState::free;
    };
    static_assert(sizeof(Entry) == 16);

    // Room for at least `entries` flows (4 .. 2^30), rounded up to a power of two. All memory is taken here, in huge
    // pages where the kernel has them.
    explicit FlowTable(std::size_t entries);

    void prefetch(std::uint64_t flow_hash) const { __builtin_prefetch(&bucket(flow_hash), 1); }

    // The live entry of a flow, or null.
    Entry* find(Key key, std::uint16_t vip_id, std::uint64_t flow_hash, FlowTime now) {
        Entry(&entries)[kWays] = bucket(flow_hash).entries;
        // Which of them it is cannot be predicted, that it is one of them can: the bits of its number, without a
        // branch. Were two of them to have this key, they might name a third, which has another.
        static_assert(kWays == 4);
        const bool last = entries[3].key == key.value;
        const unsigned high = static_cast<unsigned>(entries[2].key == key.value) | static_cast<unsigned>(last);
        const unsigned low = static_cast<unsigned>(entries[1].key == key.value) | static_cast<unsigned>(last);
        Entry& entry = entries[high << 1U | low];
        if (entry.key == key.value && entry.vip_id == vip_id && live(entry, now)) [[likely]]
            return &entry;
        return search(entries, key, vip_id, now);
    }

    // An entry for a flow that find() did not find: a free or expired one, else a half-open or reset flow's; null when
    // the bucket is full of others. Its state is free until advance().
    Entry* insert(Key key, std::uint16_t vip_id, std::uint64_t flow_hash, FlowTime now);

    // What nearly every packet does to its flow: it stays established, for `idle_timeout` seconds more. False: nothing
    // is done; advance() knows.
    static bool refresh(Entry& entry, FlowEvent event, FlowTime now, std::uint16_t idle_timeout) {
        if (entry.state != FlowState::established || event > FlowEvent::syn || idle_timeout == 0) return false;
        entry.expires = static_cast<FlowTime>(now + idle_timeout);
        return true;
    }

    // The next state, and the timeout anew: `idle_timeout` seconds 1..14400, 0: never. Half-open, closing and reset
    // flows have shorter ones of their own, and never last.
    static void advance(Entry& entry, FlowEvent event, FlowTime now, std::uint16_t idle_timeout);

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

    // find() when the first look has found something else with this key, or nothing: the first with the key may be
    // another VIP's, or an expired one left beside the live one.
    static Entry* search(Entry (&entries)[kWays], Key key, std::uint16_t vip_id, FlowTime now);
    // Low bits of the hash: the ring uses the high ones.
    [[nodiscard]] Bucket& bucket(std::uint64_t flow_hash) const { return buckets_[flow_hash & mask_]; }
    static bool live(const Entry& entry, FlowTime now) {
        // Few last: what most are is asked first.
        return entry.state != FlowState::free &&
               (static_cast<FlowTime>(entry.expires - now) <= kLongestTimeout || entry.state == FlowState::lasting);
    }

    std::size_t mask_;
    std::unique_ptr<Bucket[], Free> buckets_;
    std::size_t sweep_position_ = 0;
};

}  // namespace dsr::lb
