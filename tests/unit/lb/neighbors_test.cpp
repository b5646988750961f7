#include "lb/monitor/neighbors.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;
using namespace std::chrono_literals;

namespace {

const NeighborMonitor::Time kStart{1h};

ArpMessage answer_from(wire::Ipv4Address address, const wire::MacAddress& mac, std::uint8_t interface = 0) {
    ArpMessage message;
    message.interface = interface;
    message.arp.operation = wire::be16(wire::kArpReply);
    message.arp.sender_address = address;
    message.arp.sender_mac = mac;
    return message;
}

}  // namespace

TEST_CASE("a wanted address is asked for at once and again every second, until it answers") {
    NeighborMonitor monitor;
    monitor.want(kServer1, 0);
    const auto frames = monitor.requests(one_arm(), kStart);
    REQUIRE(frames.size() == 1);
    const auto ethernet = wire::parse_ethernet(frames[0].bytes).value();
    const auto arp = wire::parse_arp(ethernet.payload).value();
    CHECK(ethernet.header->destination == wire::MacAddress::broadcast());
    CHECK(ethernet.header->source == kLbMac);
    CHECK(arp->operation.host() == wire::kArpRequest);
    CHECK(arp->sender_address == ip("10.0.0.2"));
    CHECK(arp->target_address == kServer1);
    CHECK(monitor.requests(one_arm(), kStart + 999ms).empty());
    CHECK(monitor.requests(one_arm(), kStart + 1s).size() == 1);
    CHECK(monitor.learn(answer_from(kServer1, kServer1Mac), kStart + 1s));
    CHECK(monitor.requests(one_arm(), kStart + 3s).empty());
    CHECK(monitor.macs() == NeighborMacs{{kServer1, kServer1Mac}});
    CHECK_FALSE(monitor.any_unresolved());
}

TEST_CASE("a reachable neighbor is confirmed after 30 s; unanswered, it is stale and its MAC address stays in use") {
    NeighborMonitor monitor;
    monitor.want(kServer1, 0);
    monitor.learn(answer_from(kServer1, kServer1Mac), kStart);
    for (int second = 0; second < 40; ++second)
        monitor.requests(one_arm(), kStart + std::chrono::seconds(second));
    CHECK(monitor.neighbors().at(kServer1).state == NeighborMonitor::State::stale);
    CHECK(monitor.macs().at(kServer1) == kServer1Mac);
    CHECK_FALSE(monitor.learn(answer_from(kServer1, kServer1Mac), kStart + 50s));
    CHECK(monitor.neighbors().at(kServer1).state == NeighborMonitor::State::reachable);
}

TEST_CASE("a changed MAC address is learned") {
    NeighborMonitor monitor;
    monitor.want(kServer1, 0);
    CHECK(monitor.learn(answer_from(kServer1, kServer1Mac), kStart));
    CHECK(monitor.learn(answer_from(kServer1, kServer2Mac), kStart));
    CHECK(monitor.macs().at(kServer1) == kServer2Mac);
}

TEST_CASE(
    "nothing is learned for addresses nobody wants, from the wrong interface, from group addresses or over static "
    "ones") {
    NeighborMonitor monitor;
    monitor.want(kServer1, 0);
    monitor.want(kServer2, 0, kServer2Mac);
    CHECK_FALSE(monitor.learn(answer_from(kClient, kClientMac), kStart));
    CHECK_FALSE(monitor.learn(answer_from(kServer1, kServer1Mac, 1), kStart));
    CHECK_FALSE(monitor.learn(answer_from(kServer1, wire::MacAddress::broadcast()), kStart));
    CHECK_FALSE(monitor.learn(answer_from(kServer2, kClientMac), kStart));
    CHECK(monitor.macs() == NeighborMacs{{kServer2, kServer2Mac}});
    CHECK(monitor.any_unresolved());
}
