// The small network of lb's unit tests: addresses, a forwarding table over them, and frames a client would send.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "common/wire/build.hpp"
#include "lb/dataplane/driver.hpp"
#include "lb/dataplane/forward.hpp"
#include "lb/state/build_table.hpp"

namespace dsr::lb::test {

inline wire::Ipv4Address ip(const char* text) {
    return wire::Ipv4Address::parse(text).value();
}
inline wire::MacAddress mac(const char* text) {
    return wire::MacAddress::parse(text).value();
}

inline const wire::MacAddress kLbMac = mac("02:00:00:00:00:02");
inline const wire::MacAddress kLbServerSideMac = mac("02:00:00:00:01:02");
inline const wire::MacAddress kClientMac = mac("02:00:00:00:00:50");
inline const wire::MacAddress kServer1Mac = mac("02:00:00:00:00:11");
inline const wire::MacAddress kServer2Mac = mac("02:00:00:00:00:12");
inline const wire::Ipv4Address kVip = ip("10.0.0.100");
inline const wire::Ipv4Address kClient = ip("10.0.0.50");
inline const wire::Ipv4Address kServer1 = ip("10.0.0.11");
inline const wire::Ipv4Address kServer2 = ip("10.0.0.12");

// tcp 80 and 8000-8100, udp 53 on one pool of two servers.
inline config::Config two_server_config() {
    config::Config config;
    config.load_balancer.maglev_table_size = 251;
    config.network_profiles.resize(2);
    config.network_profiles[0].name = "tcp";
    config.network_profiles[1].name = "udp";
    config.network_profiles[1].protocol = config::Protocol::udp;
    config.network_profiles[1].session_idle_timeout = std::chrono::seconds(10);
    config.pools.push_back({"web", {}, {}});
    config.pools[0].servers.resize(2);
    config.pools[0].servers[0].address = kServer1;
    config.pools[0].servers[1].address = kServer2;
    config.virtual_services.push_back({"web", kVip, {{80, 80}, {8000, 8100}}, 0, 0});
    config.virtual_services.push_back({"dns", kVip, {{53, 53}}, 1, 0});
    return config;
}

// The same through IP-in-IP tunnels.
inline config::Config layer3_config() {
    auto config = two_server_config();
    for (auto& profile : config.network_profiles)
        profile.dsr_type = config::DsrType::l3;
    return config;
}

inline std::vector<Interface> one_arm() {
    return {{kLbMac, {ip("10.0.0.2"), 24}, 1500, true}};
}
inline std::vector<Interface> two_arms() {
    return {{kLbMac, {ip("192.0.2.2"), 24}, 1500, true}, {kLbServerSideMac, {ip("10.0.0.2"), 24}, 1500, true}};
}
inline NeighborMacs both_servers() {
    return {{kServer1, kServer1Mac}, {kServer2, kServer2Mac}};
}

// A frame in memory of its own, as a driver would hold it: with headroom.
struct Frame {
    std::array<std::uint8_t, kHeadroom + 70000> memory{};
    std::span<std::uint8_t, 70000> buffer{memory.data() + kHeadroom, 70000};
    std::size_t length = 0;

    Packet packet(std::uint8_t ingress = 0) {
        Packet result;
        result.data = buffer.data();
        result.length = static_cast<std::uint32_t>(length);
        result.ingress = ingress;
        return result;
    }
    wire::MutableBytes bytes() { return buffer.first(length); }

    Frame() = default;
    Frame(const Frame& other) : memory(other.memory), length(other.length) {}
    Frame& operator=(const Frame&) = delete;
};

inline std::unique_ptr<Frame> tcp_frame(std::uint16_t source_port, std::uint8_t flags = wire::kTcpSyn,
                                        std::size_t payload = 0, std::uint16_t destination_port = 80) {
    auto frame = std::make_unique<Frame>();
    const std::vector<std::uint8_t> bytes(payload, 0x5a);
    wire::TcpFields tcp;
    tcp.source_port = source_port;
    tcp.destination_port = destination_port;
    tcp.sequence = 1000;
    tcp.flags = flags;
    frame->length = wire::FrameBuilder(frame->buffer)
                        .ethernet(kLbMac, kClientMac)
                        .ipv4({.source = kClient, .destination = kVip})
                        .tcp(tcp)
                        .payload(bytes)
                        .finish()
                        .value()
                        .size();
    return frame;
}

inline std::unique_ptr<Frame> udp_frame(std::uint16_t source_port, std::size_t payload = 4,
                                        std::uint16_t destination_port = 53, wire::Ipv4Address destination = kVip) {
    auto frame = std::make_unique<Frame>();
    const std::vector<std::uint8_t> bytes(payload, 0x5a);
    frame->length = wire::FrameBuilder(frame->buffer)
                        .ethernet(kLbMac, kClientMac)
                        .ipv4({.source = kClient, .destination = destination})
                        .udp(source_port, destination_port)
                        .payload(bytes)
                        .finish()
                        .value()
                        .size();
    return frame;
}

// A frame of the layers that `add_layers` adds to a FrameBuilder behind its Ethernet header.
template <typename AddLayers>
std::unique_ptr<Frame> frame_of(AddLayers add_layers, const wire::MacAddress& destination = kLbMac) {
    auto frame = std::make_unique<Frame>();
    wire::FrameBuilder builder(frame->buffer);
    builder.ethernet(destination, kClientMac);
    add_layers(builder);
    frame->length = builder.finish().value().size();
    return frame;
}

// An untagged frame's IPv4 packet without padding, and its headers.
inline std::vector<std::uint8_t> ip_packet(wire::Bytes frame) {
    const auto view = wire::parse_ethernet(frame).value();
    const std::size_t length = wire::header_at<wire::Ipv4Header>(view.payload).total_length.host();
    return {view.payload.begin(), view.payload.begin() + static_cast<std::ptrdiff_t>(length)};
}
inline wire::Ipv4Header& ip_of(Frame& frame) {
    return wire::header_at<wire::Ipv4Header>(frame.bytes(), sizeof(wire::EthernetHeader));
}
// After a header field was changed.
inline void repair_checksum(Frame& frame) {
    auto& header = ip_of(frame);
    header.checksum = {};
    header.checksum =
        wire::internet_checksum(frame.bytes().subspan(sizeof(wire::EthernetHeader), header.header_length()));
}
inline void clear_dont_fragment(Frame& frame, std::uint16_t id = 7) {
    ip_of(frame).id = wire::be16(id);
    ip_of(frame).flags_and_offset = {};
    repair_checksum(frame);
}

// The fragments of a frame's packet (no options), each with `size` bytes of payload (a multiple of 8) but the last one.
inline std::vector<std::unique_ptr<Frame>> fragments_of(Frame& whole, std::size_t size, std::uint16_t id = 7) {
    const auto packet = ip_packet(whole.bytes());
    const auto& header = wire::header_at<wire::Ipv4Header>(wire::Bytes(packet));
    std::vector<std::unique_ptr<Frame>> fragments;
    for (std::size_t offset = 0; offset < packet.size() - 20; offset += size) {
        const std::size_t length = std::min(size, packet.size() - 20 - offset);
        fragments.push_back(frame_of([&](wire::FrameBuilder& frame) {
            frame
                .ipv4({.source = header.source,
                       .destination = header.destination,
                       .id = id,
                       .dont_fragment = header.dont_fragment(),
                       .more_fragments = offset + length < packet.size() - 20,
                       .fragment_offset = static_cast<std::uint16_t>(offset),
                       .protocol = header.protocol})
                .payload(wire::Bytes(packet).subspan(20 + offset, length));
        }));
    }
    return fragments;
}

// The TCP or UDP checksum is right.
inline bool transport_valid(wire::Bytes frame) {
    const auto view = wire::parse_transport(frame).value();
    const auto sum = wire::pseudo_header_sum(view.flow.source, view.flow.destination, view.flow.protocol,
                                             static_cast<std::uint16_t>(view.ipv4.payload.size()));
    return wire::checksum_fold(wire::checksum_add(view.ipv4.payload, sum)) == 0xffff;
}

// A table, and everything forward() needs beside it.
struct Core {
    Identities identities;
    RingCache rings;
    std::unique_ptr<const ForwardingTable> table;
    bool active = true;
    std::optional<wire::Ipv4Address> gateway;
    WorkerState state{1024, 1600};
    Counters& counters = state.counters;

    explicit Core(const config::Config& config = two_server_config(),
                  const std::vector<Interface>& interfaces = one_arm(), const NeighborMacs& neighbors = both_servers(),
                  std::optional<wire::Ipv4Address> default_gateway = {})
        : gateway(default_gateway) {
        rebuild(config, interfaces, neighbors);
    }
    void rebuild(const config::Config& config, const std::vector<Interface>& interfaces = one_arm(),
                 const NeighborMacs& neighbors = both_servers()) {
        table = std::move(
            build_forwarding_table(config, network_of(config, interfaces, neighbors), active, identities, rings)
                .value());
    }
    Network network_of(const config::Config& config, const std::vector<Interface>& interfaces,
                       const NeighborMacs& neighbors) const {
        Network network{interfaces, {}, neighbors};
        std::vector<std::optional<wire::Ipv4Address>> gateways(interfaces.size());
        gateways.back() = gateway;
        for (const auto& pool : config.pools)
            for (const auto& server : pool.servers)
                if (const auto hop = next_hop(interfaces, gateways, server.address))
                    network.next_hops.emplace(server.address, *hop);
        return network;
    }
    Packet run(Frame& frame, FlowTime now = 0, std::uint8_t ingress = 0) {
        Packet packet = frame.packet(ingress);
        forward(*table, now, {&packet, 1}, state);
        counters.account(packet);
        return packet;
    }
    // Fragments that need wait no longer come in again, as a worker has it. Their bytes are valid until the next call.
    std::vector<Packet> release(FlowTime now = 0) {
        std::vector<Packet> packets(kBurstSize);
        packets.resize(state.fragments.take(packets, now));
        forward(*table, now, packets, state);
        for (const Packet& packet : packets)
            counters.account(packet);
        return packets;
    }
    std::uint64_t dropped(Drop reason) const { return counters.dropped[static_cast<std::size_t>(reason)].get(); }
    wire::Ipv4Address server_of(const Packet& packet) const { return table->servers.at(packet.server).address; }
    bool conserved() const {
        std::uint64_t ended = 0;
        for (const auto& verdict : counters.verdicts)
            ended += verdict.get();
        for (const auto& reason : counters.dropped)
            ended += reason.get();
        return ended == counters.received.get();
    }
};

}  // namespace dsr::lb::test
