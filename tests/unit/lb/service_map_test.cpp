#include "lb/dataplane/service_map.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

ServiceId service_of(const ServiceMap& map, wire::Ipv4Address vip, std::uint8_t protocol, std::uint16_t port) {
    const Vip* found = map.find(vip);
    return found == nullptr ? kNoId : found->service(protocol, port);
}

}  // namespace

TEST_CASE("an empty map knows no VIP") {
    const ServiceMap map;
    CHECK(map.find(kVip) == nullptr);
    CHECK(map.find(ip("0.0.0.0")) == nullptr);
    CHECK(service_of(map, kVip, 6, 80) == kNoId);
}

TEST_CASE("ports and ranges find their service, gaps and the other protocol find none") {
    ServiceMap map;
    map.at(kVip).add(6, {8000, 8100, 1});
    map.at(kVip).add(6, {80, 80, 2});
    map.at(kVip).add(17, {80, 80, 3});
    CHECK(service_of(map, kVip, 6, 80) == 2);
    CHECK(service_of(map, kVip, 17, 80) == 3);
    CHECK(service_of(map, kVip, 6, 8000) == 1);
    CHECK(service_of(map, kVip, 6, 8100) == 1);
    CHECK(service_of(map, kVip, 6, 8101) == kNoId);
    CHECK(service_of(map, kVip, 6, 7999) == kNoId);
    CHECK(service_of(map, kVip, 6, 79) == kNoId);
    CHECK(service_of(map, kVip, 17, 8000) == kNoId);
    CHECK(service_of(map, kVip, 1, 80) == kNoId);
    CHECK(map.find(ip("0.0.0.0")) == nullptr);
}

TEST_CASE("each of many port ranges of one VIP finds its service, and no gap does") {
    ServiceMap map;
    for (std::uint16_t i = 0; i < 1000; ++i)
        map.at(kVip).add(6, {static_cast<std::uint16_t>(10 * i + 5), static_cast<std::uint16_t>(10 * i + 8), i});
    for (std::uint16_t port = 0; port < 10010; ++port)
        REQUIRE(service_of(map, kVip, 6, port) ==
                (port < 10000 && port % 10 >= 5 && port % 10 <= 8 ? port / 10 : kNoId));
}

TEST_CASE("a thousand VIPs are all found, and no other address is") {
    ServiceMap map;
    for (std::uint32_t i = 0; i < 1000; ++i)
        map.at(wire::Ipv4Address::from_host(0x0a000000U + i * 7)).add(6, {80, 80, static_cast<ServiceId>(i)});
    for (std::uint32_t i = 0; i < 7000; ++i) {
        const auto address = wire::Ipv4Address::from_host(0x0a000000U + i);
        REQUIRE((map.find(address) != nullptr) == (i % 7 == 0));
        REQUIRE(service_of(map, address, 6, 80) == (i % 7 == 0 ? i / 7 : kNoId));
    }
}

TEST_CASE("a VIP knows the first of its services that has a server, and whether servers answer its pings") {
    auto config = two_server_config();
    config.pools.push_back({"empty", {}, {}});
    config.virtual_services[0].pool = 1;
    Core core(config);
    CHECK(core.table->service_map.find(kVip)->with_servers == 1);
    CHECK_FALSE(core.table->service_map.find(kVip)->forward_echo);
    config.virtual_services[1].pool = 1;
    for (auto& service : config.virtual_services)
        service.icmp_echo = config::IcmpEcho::forward;
    core.rebuild(config);
    CHECK(core.table->service_map.find(kVip)->with_servers == kNoId);
    CHECK(core.table->service_map.find(kVip)->forward_echo);
}

TEST_CASE("only TCP and UDP have ports") {
    Vip vip;
    for (unsigned protocol = 0; protocol < 256; ++protocol)
        CHECK((vip.ports_of(static_cast<std::uint8_t>(protocol)) != nullptr) == (protocol == 6 || protocol == 17));
}

TEST_CASE("one look finds what the VIP's ranges say, for narrow and wide ranges and for what is not served") {
    ServiceMap map;
    for (std::uint32_t i = 0; i < 300; ++i) {
        const auto vip = wire::Ipv4Address::from_host(0x0a000000U + i);
        const auto service = static_cast<ServiceId>(2 * i);
        map.add(vip, 6, {80, 80, service});
        map.add(vip, 6, {100, static_cast<std::uint16_t>(100 + i % 40), static_cast<ServiceId>(service + 1)});
        map.add(vip, 17, {65530, 65535, service});
        if (i % 2 == 0) map.add(vip, 17, {0, 3, static_cast<ServiceId>(service + 1)});
    }
    for (std::uint32_t host = 0x09fffff0U; host < 0x0a000000U + 310; ++host)
        for (const std::uint8_t protocol : std::initializer_list<std::uint8_t>{1, 6, 17})
            for (const std::uint16_t port : std::initializer_list<std::uint16_t>{0, 3, 4, 79, 80, 81, 99, 100, 115, 116,
                                                                                 120, 139, 140, 65529, 65530, 65535})
                REQUIRE(map.service(host, protocol, port) ==
                        service_of(map, wire::Ipv4Address::from_host(host), protocol, port));
    CHECK(map.service(0x0a000000U + 39, 6, 139) == 79);
    CHECK(map.service(0, 0, 0) == kNoId);
    CHECK(ServiceMap().service(0x0a000000U, 6, 80) == kNoId);
}

TEST_CASE("a VIP's entry stays its own while others are added") {
    ServiceMap map;
    for (std::uint32_t i = 1; i <= 100; ++i)
        map.at(wire::Ipv4Address::from_host(i)).add(6, {80, 80, static_cast<ServiceId>(i)});
    for (std::uint32_t i = 1; i <= 100; ++i)
        map.at(wire::Ipv4Address::from_host(i)).add(17, {53, 53, static_cast<ServiceId>(1000 + i)});
    for (std::uint32_t i = 1; i <= 100; ++i) {
        CHECK(service_of(map, wire::Ipv4Address::from_host(i), 6, 80) == i);
        CHECK(service_of(map, wire::Ipv4Address::from_host(i), 17, 53) == 1000 + i);
    }
}
