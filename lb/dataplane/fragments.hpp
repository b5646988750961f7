// Fragments of IPv4 datagrams (RFC 791 section 3.2): only the first has ports, and so decides for all of them. Those
// that come before it wait here, as copies, for a second or two; then they come in again. Fixed memory: when it is
// full, what has waited longest is dropped. Owned by one worker; knows nothing of services.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/wire/parse.hpp"
#include "lb/dataplane/flow_time.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

class Fragments {
public:
    struct Owner {
        ServiceId service = kNoId;
        ServerId server = kNoServer;  // kNoServer: none took the first fragment
    };

    // Room for fragments in frames of at most `frame_size` bytes: 256 of them, fewer (at least 16) when they are large.
    explicit Fragments(std::size_t frame_size);

    // What a first fragment decided. Those of its datagram that wait are let go.
    void decide(const wire::Ipv4View& first, Owner owner, FlowTime now);
    // The decision that a later fragment follows; null when its first one has not come. A datagram that is complete is
    // forgotten, so that another with the same identification is not taken for it.
    const Owner* follow(const wire::Ipv4View& later, FlowTime now);

    // Keeps a later fragment that follow() found nothing for: it is held, or dropped when it is too large to be kept.
    void hold(Packet& packet, const wire::Ipv4View& later, FlowTime now);

    // Whether take() would give any: cheap.
    [[nodiscard]] bool any_to_take(FlowTime now) const {
        return ready_ != 0 || overflow_count_ != 0 || (held_ != 0 && reached(next_expiry_, now));
    }
    // Fills `packets` with those that need wait no longer, oldest first, and returns how many. Their first fragment has
    // come, or they are dropped already. Their bytes are valid until the next take(); call it until it gives nothing.
    std::size_t take(std::span<Packet> packets, FlowTime now);
    // From here on everything that waits has waited long enough.
    void expire_all();

    [[nodiscard]] std::size_t held() const { return held_; }
    [[nodiscard]] std::size_t capacity() const { return slots_.size(); }

private:
    // What fragments of one datagram have in common (RFC 791).
    struct Key {
        std::uint32_t source = 0;  // host order
        std::uint32_t destination = 0;
        std::uint16_t id = 0;
        std::uint8_t protocol = 0;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct Decision {
        Key key;
        bool in_use = false;
        Owner owner;
        FlowTime expires = 0;
        std::uint32_t seen = 0;  // bytes of the datagram's payload that went by in order, from its start
    };
    enum class Wait : std::uint8_t { free, waiting, ready, taken };
    struct Slot {
        Key key;
        Wait wait = Wait::free;
        FlowTime expires = 0;
        std::uint64_t order = 0;  // of arrival
        Packet packet;            // its data points into memory_
    };

    static constexpr std::size_t kWays = 4;
    static constexpr std::size_t kBuckets = 1024;

    static Key key_of(const wire::Ipv4Header& ip);
    std::span<Decision, kWays> bucket(const Key& key);
    void count_bytes(Decision& decision, const wire::Ipv4View& fragment);
    Slot* room_for(const Packet& packet);
    void drop(Slot& slot, Drop reason);
    void expire(FlowTime now);

    std::vector<Decision> decisions_;
    std::size_t frame_size_;
    std::unique_ptr<std::uint8_t[]> memory_;
    std::vector<Slot> slots_;
    std::size_t held_ = 0;  // slots that are waiting or ready
    std::size_t ready_ = 0;
    FlowTime next_expiry_ = 0;  // of those that wait; not after the earliest
    std::uint64_t order_ = 0;
    std::array<Packet, 64> overflow_{};  // dropped for room since the last take()
    std::size_t overflow_count_ = 0;
};

}  // namespace dsr::lb
