#include "verify/target.hpp"

#include <catch2/catch.hpp>

#include "common/config/reader.hpp"

namespace dsr::verify {
namespace {

constexpr std::string_view kConfig = R"(
load_balancer:
  interfaces: [{name: eth0}]
  maglev_table_size: 251
network_profiles:
  - {name: tcp, type: tcp_fast_path, dsr_profile: {dsr_type: l2}}
  - {name: udp, type: udp_fast_path, dsr_profile: {dsr_type: l2}}
pools:
  - name: pool
    servers:
      - {address: 10.0.0.11, mac: "02:00:00:00:00:11"}
      - {address: 10.0.0.12, state: draining}
      - {address: 10.0.0.13, state: disabled}
      - {address: 10.0.0.14, weight: 3}
virtual_services:
  - {name: web, vip: 203.0.113.10, ports: [80, 8000-8100], network_profile: tcp, pool: pool}
  - {name: dns, vip: 203.0.113.11, ports: [53], network_profile: udp, pool: pool}
)";

config::Config config() {
    auto read = config::read_text(kConfig, "test.yaml");
    for (const auto& problem : read ? std::vector<config::Problem>{} : read.error())
        UNSCOPED_INFO(to_string(problem));
    REQUIRE(read.has_value());
    return *read;
}

TEST_CASE("a target is written as it is read") {
    for (const std::string text : {"203.0.113.10:80/tcp", "203.0.113.10:53/udp", "203.0.113.10:65535/tcp"})
        CHECK(to_string(parse_target(text).value()) == text);
    CHECK(to_string(parse_target("203.0.113.10:80").value()) == "203.0.113.10:80/tcp");
}

TEST_CASE("what is no target is refused with what is wrong about it") {
    const auto words = [](std::string_view text) {
        const auto target = parse_target(text);
        return target ? std::string("accepted") : target.error().message;
    };
    CHECK(words("203.0.113.10:80/sctp") == "'203.0.113.10:80/sctp': the protocol is tcp or udp, not 'sctp'");
    CHECK(words("203.0.113.10") == "'203.0.113.10' names no port: write it as 203.0.113.10:80 or 203.0.113.10:53/udp");
    CHECK(words("203.0.113:80") == "'203.0.113:80': '203.0.113' is no IPv4 address");
    CHECK(words("127.0.0.1:80") == "'127.0.0.1:80': '127.0.0.1' cannot be a VIP");
    for (const char* port : {"0", "65536", "-1", "80x", ""})
        CHECK_THAT(words(std::string("203.0.113.10:") + port), Catch::Contains("is no port (1..65535)"));
}

TEST_CASE("the configuration's services become targets at the first port of each entry") {
    const auto targets = targets_of(config());
    REQUIRE(targets.size() == 3);
    CHECK(to_string(targets[0]) == "203.0.113.10:80/tcp");
    CHECK(to_string(targets[1]) == "203.0.113.10:8000/tcp");
    CHECK(to_string(targets[2]) == "203.0.113.11:53/udp");
    CHECK(targets[0].maglev_table_size == 251);
}

TEST_CASE("only servers that get new flows are expected to answer") {
    const auto servers = targets_of(config())[0].servers;
    REQUIRE(servers.size() == 2);
    CHECK(wire::to_string(servers[0].address) == "10.0.0.11");
    CHECK(servers[0].mac == wire::MacAddress::parse("02:00:00:00:00:11"));
    CHECK(wire::to_string(servers[1].address) == "10.0.0.14");
    CHECK(servers[1].weight == 3);
}

TEST_CASE("a target named beside the configuration must be one of its services, in VIP, port and protocol") {
    const auto inside = with_config(parse_target("203.0.113.10:8050").value(), config());
    REQUIRE(inside.has_value());
    CHECK(to_string(*inside) == "203.0.113.10:8050/tcp");
    CHECK(inside->servers.size() == 2);
    for (const char* text : {"203.0.113.10:81", "203.0.113.10:80/udp", "203.0.113.11:80"})
        CHECK_FALSE(with_config(parse_target(text).value(), config()).has_value());
}

}  // namespace
}  // namespace dsr::verify
