#include "lb/dataplane/fragments.hpp"

#include <algorithm>
#include <cstring>

#include "common/ring/flow_hash.hpp"

namespace dsr::lb {
namespace {

// A sender's fragments leave back to back: what is not there after a second or two was lost, and its datagram with it.
constexpr FlowTime kLongestWait = 2;
// How long a decision is kept for stragglers. Short, because identifications come round: a sender of 10,000 fragmented
// datagrams a second uses each again after 6.5 s.
constexpr FlowTime kDecisionTime = 5;
constexpr std::size_t kMostSlots = 256;
constexpr std::size_t kFewestSlots = 16;
constexpr std::size_t kMostMemory = std::size_t{8} << 20U;  // bytes

// Seconds until a decision expires, 0 when it has. Nothing clears old ones away: only what cannot be longer ahead than
// kDecisionTime is ahead, so that FlowTime's coming round does not bring them back to life.
FlowTime time_left(FlowTime expires, FlowTime now) {
    const auto left = static_cast<FlowTime>(expires - now);
    return left <= kDecisionTime ? left : FlowTime{0};
}

}  // namespace

Fragments::Fragments(std::size_t frame_size)
    : decisions_(kBuckets * kWays),
      frame_size_(frame_size),
      slots_(std::clamp(kMostMemory / (kHeadroom + frame_size), kFewestSlots, kMostSlots)) {
    memory_ = std::make_unique<std::uint8_t[]>(slots_.size() * (kHeadroom + frame_size_));
}

Fragments::Key Fragments::key_of(const wire::Ipv4Header& ip) {
    return {ip.source.host(), ip.destination.host(), ip.id.host(), ip.protocol};
}

std::span<Fragments::Decision, Fragments::kWays> Fragments::bucket(const Key& key) {
    const std::uint64_t hash = ring::mix64(ring::mix64(std::uint64_t{key.source} << 32U | key.destination) ^
                                           (std::uint64_t{key.id} << 8U | key.protocol));
    return std::span<Decision, kWays>(&decisions_[hash % kBuckets * kWays], kWays);
}

// Only what comes in order counts: a duplicate must not make up for a piece that is missing. A datagram whose pieces
// are out of order is forgotten a little later, by time.
void Fragments::count_bytes(Decision& decision, const wire::Ipv4View& fragment) {
    const std::size_t offset = fragment.header->fragment_offset();
    if (offset != decision.seen) return;
    decision.seen += static_cast<std::uint32_t>(fragment.payload.size());
    if (!fragment.header->more_fragments()) decision.in_use = false;
}

void Fragments::decide(const wire::Ipv4View& first, Owner owner, FlowTime now) {
    const Key key = key_of(*first.header);
    // How long a decision is still needed; the one that is needed least gives way.
    const auto left = [now](const Decision& one) { return one.in_use ? time_left(one.expires, now) : FlowTime{0}; };
    Decision* chosen = &bucket(key)[0];
    for (Decision& decision : bucket(key)) {
        if (decision.in_use && decision.key == key) {
            chosen = &decision;
            break;
        }
        if (left(decision) < left(*chosen)) chosen = &decision;
    }
    *chosen = {key, true, owner, static_cast<FlowTime>(now + kDecisionTime), 0};
    count_bytes(*chosen, first);
    if (held_ == 0) [[likely]]
        return;
    for (Slot& slot : slots_)
        if (slot.wait == Wait::waiting && slot.key == key) {
            slot.wait = Wait::ready;
            ++ready_;
        }
}

const Fragments::Owner* Fragments::follow(const wire::Ipv4View& later, FlowTime now) {
    const Key key = key_of(*later.header);
    for (Decision& decision : bucket(key)) {
        if (!decision.in_use || decision.key != key || time_left(decision.expires, now) == 0) continue;
        count_bytes(decision, later);
        return &decision.owner;  // stays readable when the datagram is complete
    }
    return nullptr;
}

// Of a fragment that waits.
void Fragments::drop(Slot& slot, Drop reason) {
    slot.packet.drop(reason);
    slot.wait = Wait::ready;
    ++ready_;
}

// A free slot, else that of the fragment which has waited longest. Null when there is none: all are on their way out.
Fragments::Slot* Fragments::room_for(const Packet& packet) {
    if (packet.length > frame_size_) return nullptr;
    Slot* oldest = nullptr;
    for (Slot& slot : slots_) {
        if (slot.wait == Wait::free) return &slot;
        if (slot.wait == Wait::waiting && (oldest == nullptr || slot.order < oldest->order)) oldest = &slot;
    }
    if (oldest == nullptr || overflow_count_ == overflow_.size()) return nullptr;
    oldest->packet.drop(Drop::fragment_overflow);
    oldest->packet.data = nullptr;  // its bytes are about to be another's
    oldest->packet.length = 0;
    overflow_[overflow_count_++] = oldest->packet;
    --held_;
    return oldest;
}

void Fragments::hold(Packet& packet, const wire::Ipv4View& later, FlowTime now) {
    Slot* slot = room_for(packet);
    if (slot == nullptr) return packet.drop(Drop::fragment_overflow);
    const auto index = static_cast<std::size_t>(slot - slots_.data());
    const auto expires = static_cast<FlowTime>(now + kLongestWait);
    if (held_ == 0 || !reached(next_expiry_, expires)) next_expiry_ = expires;
    *slot = {key_of(*later.header), Wait::waiting, expires, order_++, packet};
    slot->packet.data = memory_.get() + index * (kHeadroom + frame_size_) + kHeadroom;
    std::memcpy(slot->packet.data, packet.data, packet.length);
    ++held_;
    packet.verdict = Verdict::held;
}

std::size_t Fragments::take(std::span<Packet> packets, FlowTime now) {
    for (Slot& slot : slots_)
        if (slot.wait == Wait::taken) slot.wait = Wait::free;
    std::size_t count = 0;
    for (; count < packets.size() && overflow_count_ != 0; ++count)
        packets[count] = overflow_[--overflow_count_];
    expire(now);
    while (count < packets.size() && ready_ > 0) {
        Slot* oldest = nullptr;
        for (Slot& slot : slots_)
            if (slot.wait == Wait::ready && (oldest == nullptr || slot.order < oldest->order)) oldest = &slot;
        if (oldest == nullptr) break;
        oldest->wait = Wait::taken;
        --ready_;
        --held_;
        packets[count++] = oldest->packet;
    }
    return count;
}

void Fragments::expire(FlowTime now) {
    if (held_ == 0 || !reached(next_expiry_, now)) return;
    next_expiry_ = static_cast<FlowTime>(now + kLongestWait);
    for (Slot& slot : slots_) {
        if (slot.wait != Wait::waiting) continue;
        if (reached(slot.expires, now))
            drop(slot, Drop::fragment_expired);
        else if (reached(slot.expires, next_expiry_))
            next_expiry_ = slot.expires;
    }
}

void Fragments::expire_all() {
    for (Slot& slot : slots_)
        if (slot.wait == Wait::waiting) drop(slot, Drop::fragment_expired);
}

}  // namespace dsr::lb
