#include "verify/evidence/counters.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/verify/scene.hpp"

namespace dsr::verify::test {
namespace {

constexpr std::string_view kJson = R"({"received":12,"forwarded":10,"answered":1,"passed":1,"dropped":{"no_server":0},
"services":[{"name":"web","vip":"203.0.113.10","protocol":"tcp","ports":"80,443,8000-8100","packets":10,"return_packets":2,
"servers":[{"address":"10.0.0.11","mac":"02:00:00:00:00:11","packets":6},{"address":"10.0.0.12","mac":null,"packets":4}]},
{"name":"dns","vip":"203.0.113.10","protocol":"udp","ports":"53","packets":0,"return_packets":0,"servers":[]}]})";

TEST_CASE("the load balancer's counters are read") {
    const auto counters = parse_counters(kJson);
    REQUIRE(counters.has_value());
    CHECK(counters->received == 12);
    REQUIRE(counters->services.size() == 2);
    const ServiceCounters& web = counters->services[0];
    CHECK(web.packets == 10);
    CHECK(web.return_packets == 2);
    REQUIRE(web.servers.size() == 2);
    CHECK(web.servers[0].address == kServer1);
    CHECK(web.servers[0].mac == kMac1);
    CHECK(web.servers[0].packets == 6);
    CHECK_FALSE(web.servers[1].mac.has_value());
}

TEST_CASE("a service is found by VIP, protocol and any port of its list") {
    const auto counters = parse_counters(kJson).value();
    for (const char* text : {"203.0.113.10:80", "203.0.113.10:443", "203.0.113.10:8000", "203.0.113.10:8100"})
        CHECK(find_service(counters, parse_target(text).value()) == &counters.services[0]);
    CHECK(find_service(counters, parse_target("203.0.113.10:53/udp").value()) == &counters.services[1]);
    for (const char* text : {"203.0.113.10:81", "203.0.113.10:53", "203.0.113.11:80", "203.0.113.10:8101"})
        CHECK(find_service(counters, parse_target(text).value()) == nullptr);
}

TEST_CASE("documents that lb does not write are refused in one sentence") {
    for (const std::string_view text :
         {std::string_view(""), std::string_view("<html>"), std::string_view("[]"), std::string_view("{}"),
          std::string_view(R"({"received":"many","services":[]})"),
          std::string_view(R"({"received":1,"services":[{"vip":"203.0.113.300"}]})"),
          std::string_view(
              R"({"received":1,"services":[{"vip":"203.0.113.1","protocol":"tcp","ports":"80-","packets":1,)"
              R"("return_packets":0,"servers":[]}]})")}) {
        const auto counters = parse_counters(text);
        REQUIRE_FALSE(counters.has_value());
        CHECK_THAT(counters.error().message, Catch::StartsWith("the load balancer's counters are not understood: "));
    }
}

}  // namespace
}  // namespace dsr::verify::test
