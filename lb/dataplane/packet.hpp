// One packet on its way through the data plane: the driver's bytes and what has been decided about them so far.
#pragma once

#include <cstdint>

#include "lb/dataplane/verdict.hpp"

namespace dsr::lb {

// Both are stable for the life of the process.
using ServiceId = std::uint16_t;
using ServerId = std::uint32_t;  // of a (pool, server address) pair; 24 bits, for the flow table's sake
inline constexpr ServiceId kNoId = 0xffff;
inline constexpr ServerId kNoServer = 0xffffff;

// Of every IPv4 header that is our own.
inline constexpr std::uint8_t kTtl = 64;

// Bytes in front of every received frame that the data plane may write: an outer IPv4 header, or an ICMP error's
// headers.
inline constexpr std::size_t kHeadroom = 64;

// How the driver must cut a packet that is larger than the egress interface's MTU (see cutter.hpp).
enum class Cut : std::uint8_t { none, segments, fragments };

struct Packet {
    std::uint8_t* data = nullptr;  // the Ethernet header; the driver owns the bytes until the burst was transmitted
    std::uint32_t length = 0;      // bytes
    std::uint32_t number = 0;      // the driver's own, for the driver: carried along
    std::uint8_t ingress = 0;      // index of the interface it came in by
    std::uint8_t egress = 0;       // index of the interface it leaves by, if it does
    Verdict verdict = Verdict::passed;
    Drop reason{};                // when dropped
    Answer answer{};              // when answered
    bool neighbor : 1 = false;    // an ARP message from which the neighbor monitor may learn
    bool ip_checked : 1 = false;  // the device has found the IPv4 header's checksum right
    ServiceId service = kNoId;
    ServerId server = kNoServer;
    std::uint16_t piece_payload = 0;  // when cut: bytes of TCP payload in a segment, of IPv4 payload in a fragment
    Cut cut = Cut::none;
    std::uint8_t outer_length = 0;  // bytes of the outer IPv4 header in front of the client's packet: 20 or 0

    [[nodiscard]] wire::Bytes bytes() const { return {data, length}; }
    [[nodiscard]] wire::MutableBytes mutable_bytes() { return {data, length}; }
    // Of a header that lies in the packet's bytes.
    [[nodiscard]] std::size_t offset_of(const wire::Ipv4Header& header) const {
        return static_cast<std::size_t>(reinterpret_cast<const std::uint8_t*>(&header) - data);
    }
    [[nodiscard]] bool leaves() const { return verdict == Verdict::forwarded || verdict == Verdict::answered; }
    void drop(Drop why) {
        verdict = Verdict::dropped;
        reason = why;
    }
};
static_assert(sizeof(Packet) == 32);  // two to a cache line

}  // namespace dsr::lb
