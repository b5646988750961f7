// What clients send in the benchmarks: many flows, in random order, in the few buffers that a driver would have.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "common/wire/build.hpp"
#include "common/wire/flow_key.hpp"
#include "lb/dataplane/driver.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb::bench {

inline constexpr wire::MacAddress kLbMac{{2, 0, 0, 0, 0, 2}};
inline constexpr wire::MacAddress kClientMac{{2, 0, 0, 0, 0, 0x50}};
inline constexpr wire::Ipv4Address kVip = wire::Ipv4Address::from_host(0x0a000064);  // 10.0.0.100
inline constexpr std::uint16_t kPort = 80;

inline constexpr wire::EthernetHeader kEthernet{kLbMac, kClientMac, wire::be16(wire::kEtherTypeIpv4)};

// What of a frame is its flow's own, in the order of the IPv4 and TCP headers.
struct Flow {
    wire::be16 ip_checksum;
    wire::Ipv4Address source;
    wire::be16 source_port;

    [[nodiscard]] wire::FlowKey key() const { return {source, kVip, source_port.host(), kPort, wire::kProtocolTcp}; }
};
static_assert(sizeof(Flow) == 8);

// 64 receive buffers, an odd number of cache lines apart, as pools of packet buffers lay them out: they would compete
// for a few sets of the cache otherwise.
class Frames {
public:
    // `size` of each frame: 54..1514 bytes.
    Frames(std::size_t size, std::uint8_t tcp_flags) : size_(size), memory_(kBurstSize * kStride) {
        const std::vector<std::uint8_t> payload(size - kHeaders);
        for (std::size_t i = 0; i < kBurstSize; ++i)
            wire::FrameBuilder(std::span(at(i), size))
                .ethernet(kLbMac, kClientMac)
                // Length and identification add up to the same: so do frames of all sizes have the same checksums.
                .ipv4({.source = {}, .destination = kVip, .id = static_cast<std::uint16_t>(0xffff - size)})
                .tcp({.destination_port = kPort, .flags = tcp_flags})
                .payload(payload)
                .finish()
                .value();
    }

    // The header checksum that a frame from this source has.
    wire::be16 ip_checksum(wire::Ipv4Address source) {
        const auto& ip = wire::header_at<wire::Ipv4Header>(wire::Bytes(at(0), size_), kIp);
        return wire::checksum_update(ip.checksum, ip.source.network(), source.network());
    }

    // As a driver's receive(): the buffers hold one packet of each of these flows.
    void receive(std::span<const Flow, kBurstSize> flows, std::span<Packet, kBurstSize> burst) {
        for (std::size_t i = 0; i < kBurstSize; ++i) {
            std::uint8_t* frame = at(i);
            std::memcpy(frame + kIp + offsetof(wire::Ipv4Header, checksum), &flows[i], 6);
            std::memcpy(frame + kIp + sizeof(wire::Ipv4Header), &flows[i].source_port, 2);
            // Forwarding has written over it: new MAC addresses, or an outer header.
            std::memcpy(frame, &kEthernet, sizeof kEthernet);
            burst[i] = Packet{};
            burst[i].data = frame;
            burst[i].length = static_cast<std::uint32_t>(size_);
        }
    }

    // Copies frame `i` over the next one; the floor of floors.
    void copy(std::size_t i) { std::memcpy(at((i + 1) % kBurstSize), at(i), size_); }

    [[nodiscard]] std::uint8_t* at(std::size_t i) { return memory_.data() + i * kStride + kHeadroom; }

private:
    static constexpr std::size_t kStride = 2048 + 64;
    static constexpr std::size_t kIp = sizeof(wire::EthernetHeader);
    static constexpr std::size_t kHeaders = kIp + sizeof(wire::Ipv4Header) + sizeof(wire::TcpHeader);

    std::size_t size_;
    std::vector<std::uint8_t> memory_;
};

// Flows in random order, a burst at a time, again and again.
class Flows {
public:
    // `count` flows, from number `first` on: others than those of another range. A list of one flow has it 64 times.
    // What remains when `count` is divided by 64 is left out.
    Flows(std::size_t count, Frames& frames, std::size_t first = 0) {
        const std::size_t length = std::max(count, kBurstSize) / kBurstSize * kBurstSize;
        flows_.reserve(length);
        for (std::size_t i = 0; i < length; ++i) {
            const std::size_t number = first + (count < kBurstSize ? i % count : i);
            const auto source = wire::Ipv4Address::from_host(0x64400000U + (number & 0x3fffffU));  // 100.64.0.0/10
            const auto port = static_cast<std::uint16_t>(1024 + (number >> 22U));
            flows_.push_back({frames.ip_checksum(source), source, wire::be16(port)});
        }
        std::shuffle(flows_.begin(), flows_.end(), std::mt19937_64(1));  // NOLINT: the same order in every run
    }

    std::span<const Flow, kBurstSize> next() {
        if (position_ == flows_.size()) position_ = 0;
        position_ += kBurstSize;
        return std::span<const Flow, kBurstSize>(&flows_[position_ - kBurstSize], kBurstSize);
    }
    // Each was given out equally often.
    [[nodiscard]] bool at_end() const { return position_ == flows_.size(); }
    [[nodiscard]] std::size_t size() const { return flows_.size(); }

private:
    std::vector<Flow> flows_;
    std::size_t position_ = 0;
};

}  // namespace dsr::lb::bench
