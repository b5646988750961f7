#include "lb/dataplane/spread.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "common/ring/flow_hash.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

// An ICMP error from a router about a packet that a server has sent from the VIP to the client.
std::unique_ptr<Frame> error_about(std::uint16_t client_port, std::uint8_t type) {
    const auto sent = frame_of([&](wire::FrameBuilder& builder) {
        const std::array<std::uint8_t, 8> ports{0, 80, static_cast<std::uint8_t>(client_port >> 8U),
                                                static_cast<std::uint8_t>(client_port)};
        builder.ipv4({.source = kVip, .destination = kClient, .protocol = wire::kProtocolTcp}).payload(ports);
    });
    const auto quote = ip_packet(sent->bytes());
    return frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = ip("10.0.0.1"), .destination = kVip}).icmp({.type = type, .code = 4}).payload(quote);
    });
}

}  // namespace

TEST_CASE("packets of a flow and ICMP errors about it are spread alike, whatever they carry") {
    for (std::uint16_t port = 1000; port < 1100; ++port) {
        const std::uint64_t hash = spread_hash(tcp_frame(port)->bytes());
        CHECK(hash == spread_hash(tcp_frame(port, wire::kTcpAck, 1000)->bytes()));
        for (const std::uint8_t type : std::initializer_list<std::uint8_t>{3, 11, 12})
            CHECK(hash == spread_hash(error_about(port, type)->bytes()));
        CHECK(hash != spread_hash(udp_frame(port, 4, 80)->bytes()));
    }
}

TEST_CASE("flows are spread evenly over workers") {
    std::array<int, 4> flows{};
    for (std::uint16_t port = 1024; port < 5024; ++port)
        ++flows[ring::slot_of(ring::mix64(spread_hash(tcp_frame(port)->bytes())), 4)];
    for (const int count : flows) {  // 1000 expected, standard deviation 27
        CHECK(count > 865);
        CHECK(count < 1135);
    }
}

TEST_CASE("the first of several buffers is enough to know a jumbo frame's flow") {
    const auto whole = tcp_frame(4000, wire::kTcpAck, 8900);
    CHECK(spread_hash(whole->bytes().first(2048)) == spread_hash(whole->bytes()));
}

TEST_CASE("fragments of all datagrams between two hosts go together, others elsewhere") {
    std::set<std::uint64_t> hashes;
    for (std::uint16_t id = 1; id <= 50; ++id)
        for (const auto& fragment : fragments_of(*udp_frame(static_cast<std::uint16_t>(5000 + id), 4000), 1480, id))
            hashes.insert(spread_hash(fragment->bytes()));
    CHECK(hashes.size() == 1);
    for (const auto& fragment : fragments_of(*udp_frame(5000, 4000, 53, kServer1), 1480))
        hashes.insert(spread_hash(fragment->bytes()));
    CHECK(hashes.size() == 2);
}

TEST_CASE("an error about a tunnel goes to the worker of the flow inside it") {
    const auto flow = tcp_frame(4000, wire::kTcpAck, 100);
    const auto inner = ip_packet(flow->bytes());
    const auto tunnelled = frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = ip("10.0.0.2"), .destination = kServer1, .protocol = 4}).payload(wire::Bytes(inner));
    });
    const auto quote = ip_packet(tunnelled->bytes());
    const auto error = frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = ip("10.0.0.1"), .destination = ip("10.0.0.2")})
            .icmp({.type = 3, .code = 4})
            .payload(wire::Bytes(quote).first(48));
    });
    CHECK(spread_hash(error->bytes()) == spread_hash(flow->bytes()));
}

TEST_CASE("what belongs to no flow gets 0: ARP, other ICMP, what is cut short") {
    const auto arp =
        frame_of([](wire::FrameBuilder& builder) { builder.arp(wire::kArpRequest, kClientMac, kClient, {}, kVip); });
    CHECK(spread_hash(arp->bytes()) == 0);
    const auto ping = frame_of([](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kClient, .destination = kVip}).icmp({.type = 8, .code = 0});
    });
    CHECK(spread_hash(ping->bytes()) == 0);
    const auto whole = tcp_frame(4000);
    for (std::size_t length = 0; length < 38; ++length)
        CHECK(spread_hash(whole->bytes().first(length)) == 0);
    const auto error = error_about(4000, 3);
    for (std::size_t length = 0; length < error->length; ++length)
        CHECK(spread_hash(error->bytes().first(length)) == 0);
}
