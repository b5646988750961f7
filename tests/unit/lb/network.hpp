// The small network of lb's unit tests: addresses, a forwarding table over them, and frames a client would send.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "common/wire/build.hpp"
#include "lb/dataplane/counters.hpp"
#include "lb/dataplane/flow_table.hpp"
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

inline std::vector<Interface> one_arm() {
    return {{kLbMac, {ip("10.0.0.2"), 24}, 1500, true}};
}
inline std::vector<Interface> two_arms() {
    return {{kLbMac, {ip("192.0.2.2"), 24}, 1500, true}, {kLbServerSideMac, {ip("10.0.0.2"), 24}, 1500, true}};
}
inline NeighborMacs both_servers() {
    return {{kServer1, kServer1Mac}, {kServer2, kServer2Mac}};
}

// A frame in memory of its own, as a driver would hold it.
struct Frame {
    std::array<std::uint8_t, 70000> buffer{};
    std::size_t length = 0;

    Packet packet(std::uint8_t ingress = 0) {
        Packet result;
        result.data = buffer.data();
        result.length = static_cast<std::uint32_t>(length);
        result.ingress = ingress;
        return result;
    }
    wire::MutableBytes bytes() { return wire::MutableBytes(buffer).first(length); }
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

// A table, and everything forward() needs beside it.
struct Core {
    Identities identities;
    RingCache rings;
    std::unique_ptr<const ForwardingTable> table;
    bool active = true;
    FlowTable flows{1024};
    Counters counters;

    explicit Core(const config::Config& config = two_server_config(),
                  const std::vector<Interface>& interfaces = one_arm(),
                  const NeighborMacs& neighbors = both_servers()) {
        rebuild(config, interfaces, neighbors);
    }
    void rebuild(const config::Config& config, const std::vector<Interface>& interfaces = one_arm(),
                 const NeighborMacs& neighbors = both_servers()) {
        table = std::move(build_forwarding_table(config, interfaces, neighbors, active, identities, rings).value());
    }
    Packet run(Frame& frame, FlowTime now = 0, std::uint8_t ingress = 0) {
        Packet packet = frame.packet(ingress);
        forward(*table, now, {&packet, 1}, flows, counters);
        counters.account(packet);
        return packet;
    }
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
