#include "lb/dataplane/service_map.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

TEST_CASE("an empty map knows no VIP") {
    const ServiceMap map;
    CHECK_FALSE(map.is_vip(kVip));
    CHECK_FALSE(map.is_vip(ip("0.0.0.0")));
    CHECK(map.find(kVip, 6, 80) == kNoId);
}

TEST_CASE("ports and ranges find their service, gaps and the other protocol find none") {
    ServiceMap map;
    map.add(kVip, 6, {8000, 8100, 1});
    map.add(kVip, 6, {80, 80, 2});
    map.add(kVip, 17, {80, 80, 3});
    CHECK(map.find(kVip, 6, 80) == 2);
    CHECK(map.find(kVip, 17, 80) == 3);
    CHECK(map.find(kVip, 6, 8000) == 1);
    CHECK(map.find(kVip, 6, 8100) == 1);
    CHECK(map.find(kVip, 6, 8101) == kNoId);
    CHECK(map.find(kVip, 6, 7999) == kNoId);
    CHECK(map.find(kVip, 6, 79) == kNoId);
    CHECK(map.find(kVip, 17, 8000) == kNoId);
    CHECK(map.find(kVip, 1, 80) == kNoId);
    CHECK_FALSE(map.is_vip(ip("0.0.0.0")));
}

TEST_CASE("a thousand VIPs are all found, and no other address is") {
    ServiceMap map;
    for (std::uint32_t i = 0; i < 1000; ++i)
        map.add(wire::Ipv4Address::from_host(0x0a000000U + i * 7), 6, {80, 80, static_cast<ServiceId>(i)});
    for (std::uint32_t i = 0; i < 7000; ++i) {
        const auto address = wire::Ipv4Address::from_host(0x0a000000U + i);
        REQUIRE(map.is_vip(address) == (i % 7 == 0));
        REQUIRE(map.find(address, 6, 80) == (i % 7 == 0 ? i / 7 : kNoId));
    }
}
