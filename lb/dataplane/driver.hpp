// What the data plane needs of the thing that moves frames. One virtual call a burst, none a packet.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

inline constexpr std::size_t kBurstSize = 64;

class Driver {
public:
    virtual ~Driver() = default;

    // Called once by the thread that will call all of the rest, before that.
    virtual void start_thread() {}

    // Fills up to kBurstSize packets (data, length, ingress, perhaps number; the rest reset) without waiting; returns
    // how many. Their bytes, and kHeadroom more in front of each, stay valid until the next receive().
    virtual std::size_t receive(std::span<Packet, kBurstSize> burst) = 0;

    // Sends those packets that leave(), in order, cutting those that are marked so (cutter.hpp); what cannot be sent
    // becomes dropped: transmit_failed. The others are the kernel's or nobody's: nothing is done with them.
    virtual void transmit(std::span<Packet> burst) = 0;

    // Seconds on the clock by which flows age; for a capture file, the capture's.
    virtual std::uint64_t now() = 0;

    // Sleeps until a frame may be there, wake() was called or the time is over.
    virtual void wait(std::chrono::milliseconds at_most) = 0;
    // Ends a wait(). May be called by any thread.
    virtual void wake() = 0;
};

}  // namespace dsr::lb
