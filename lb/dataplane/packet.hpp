// One packet on its way through the data plane: the driver's bytes and what has been decided about them so far.
#pragma once

#include <cstdint>

#include "lb/dataplane/verdict.hpp"

namespace dsr::lb {

using ServiceId = std::uint16_t;  // stable for the life of the process
using ServerId = std::uint16_t;   // a (pool, server address) pair, stable for the life of the process
inline constexpr std::uint16_t kNoId = 0xffff;

struct Packet {
    std::uint8_t* data = nullptr;  // the Ethernet header; the driver owns the bytes until the burst was transmitted
    std::uint32_t length = 0;      // bytes
    std::uint8_t ingress = 0;      // index of the interface it came in by
    std::uint8_t egress = 0;       // index of the interface it leaves by, if it does
    Verdict verdict = Verdict::passed;
    Drop reason{};          // when dropped
    bool neighbor = false;  // an ARP message from which the neighbor monitor may learn
    ServiceId service = kNoId;
    ServerId server = kNoId;
    std::uint16_t segment_payload =
        0;  // > 0: a TCP super-frame, to be sent as segments of at most this many payload bytes

    [[nodiscard]] wire::Bytes bytes() const { return {data, length}; }
    [[nodiscard]] wire::MutableBytes mutable_bytes() { return {data, length}; }
    [[nodiscard]] bool leaves() const { return verdict == Verdict::forwarded || verdict == Verdict::answered; }
    void drop(Drop why) {
        verdict = Verdict::dropped;
        reason = why;
    }
};

}  // namespace dsr::lb
