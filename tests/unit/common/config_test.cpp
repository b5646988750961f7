#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>

#include <sys/stat.h>
#include <unistd.h>

#include "common/config/reader.hpp"

using namespace dsr;
using namespace dsr::config;
using namespace std::chrono_literals;

namespace {

const std::string kMinimal = R"(load_balancer:
  interfaces:
    - name: eth0
network_profiles:
  - {name: tcp, type: tcp_fast_path, dsr_profile: {dsr_type: l2}}
  - {name: udp, type: udp_fast_path, dsr_profile: {dsr_type: l3}}
pools:
  - {name: a, servers: [{address: 10.0.0.11}]}
  - {name: b, servers: [{address: 10.0.0.12}]}
virtual_services:
  - {name: s, vip: 203.0.113.10, ports: [443, 8000-8100, 80], network_profile: udp, pool: b}
)";

wire::Ipv4Address ip(const char* text) {
    return wire::Ipv4Address::parse(text).value();
}

// The only problem of a text.
std::string only_problem(std::string_view yaml) {
    const auto result = read_text(yaml, "F");
    REQUIRE_FALSE(result.has_value());
    REQUIRE(result.error().size() == 1);
    return to_string(result.error().front());
}

}  // namespace

TEST_CASE("what a configuration leaves out has the documented default") {
    const auto config = read_text(kMinimal, "F");
    REQUIRE(config);
    const LoadBalancer& balancer = config->load_balancer;
    CHECK(balancer.driver == Driver::pcap);
    CHECK(balancer.workers == 1);
    CHECK(balancer.flow_table_entries == 1048576);
    CHECK(balancer.new_flows_per_second == 250000);
    CHECK(balancer.maglev_table_size == 65537);
    CHECK(balancer.control_socket == "/run/dsr/lb.sock");
    CHECK(balancer.http == "127.0.0.1:9420");
    CHECK(balancer.neighbors.empty());
    REQUIRE(balancer.interfaces.size() == 1);
    CHECK(balancer.interfaces[0].name == "eth0");
    CHECK_FALSE(balancer.interfaces[0].address);
    CHECK_FALSE(balancer.interfaces[0].mac);
    CHECK_FALSE(balancer.interfaces[0].mtu);
    CHECK_FALSE(balancer.interfaces[0].gateway);
    REQUIRE(config->network_profiles.size() == 2);
    CHECK(config->network_profiles[0].session_idle_timeout == 300s);
    CHECK(config->network_profiles[1].session_idle_timeout == 10s);
    CHECK_FALSE(config->network_profiles[1].per_packet);
    CHECK_FALSE(config->network_profiles[1].outer_source);
    REQUIRE(config->pools.size() == 2);
    const Server& server = config->pools[0].servers.at(0);
    CHECK(server.weight == 1);
    CHECK(server.state == ServerState::enabled);
    CHECK_FALSE(server.mac);
    CHECK(config->pools[0].health_monitor.type == MonitorType::none);
    CHECK(config->virtual_services.at(0).icmp_echo == IcmpEcho::answer);
}

TEST_CASE("a service refers to its profile and pool by index and its ports are sorted") {
    const auto config = read_text(kMinimal, "F");
    REQUIRE(config);
    REQUIRE(config->virtual_services.size() == 1);
    const VirtualService& service = config->virtual_services[0];
    CHECK(service.name == "s");
    CHECK(service.vip == ip("203.0.113.10"));
    CHECK(service.network_profile == 1);
    CHECK(service.pool == 1);
    CHECK(service.ports == std::vector<PortRange>{{80, 80}, {443, 443}, {8000, 8100}});
}

TEST_CASE("the example configuration is valid and every value in it is read") {
    const auto config = read_file(DSR_EXAMPLE_CONFIG);
    REQUIRE(config);
    const LoadBalancer& balancer = config->load_balancer;
    REQUIRE(balancer.interfaces.size() == 1);
    CHECK(balancer.interfaces[0].address == wire::Ipv4Prefix{ip("10.0.0.2"), 24});
    CHECK(balancer.interfaces[0].mac == wire::MacAddress::parse("02:00:00:00:00:02"));
    CHECK(balancer.interfaces[0].mtu == 1500U);
    CHECK(balancer.interfaces[0].gateway == ip("10.0.0.1"));
    REQUIRE(balancer.neighbors.size() == 1);
    CHECK(balancer.neighbors[0].mac == wire::MacAddress::parse("02:00:00:00:00:01"));
    REQUIRE(config->pools.size() == 2);
    CHECK(config->pools[0].servers.at(1).weight == 2);
    CHECK(config->pools[0].servers.at(2).state == ServerState::draining);
    CHECK(config->pools[0].servers.at(2).mac == wire::MacAddress::parse("02:00:00:00:00:13"));
    const HealthMonitor& monitor = config->pools[0].health_monitor;
    CHECK(monitor.type == MonitorType::tcp);
    CHECK(monitor.interval == 2s);
    CHECK(monitor.timeout == 1s);
    CHECK(monitor.rise == 2);
    CHECK(monitor.fall == 3);
    CHECK(config->pools[1].health_monitor.type == MonitorType::ping);
    CHECK(config->network_profiles.at(1).protocol == Protocol::udp);
    CHECK(config->network_profiles.at(1).dsr_type == DsrType::l3);
}

TEST_CASE("one pool may serve tcp and udp services of the same VIP and port") {
    const auto config =
        read_text(kMinimal + "  - {name: t, vip: 203.0.113.10, ports: [80], network_profile: tcp, pool: b}\n", "F");
    CHECK(config);
}

TEST_CASE("http: off turns the page off") {
    std::string text = kMinimal;
    text.insert(text.find("network_profiles"), "  http: off\n");
    const auto config = read_text(text, "F");
    REQUIRE(config);
    CHECK(config->load_balancer.http.empty());
}

TEST_CASE("new_flows_per_second: 0 is read as 0, which means no limit, not as the default") {
    for (const char* number : {"0", "4294967295"}) {
        std::string text = kMinimal;
        text.insert(text.find("network_profiles"), "  new_flows_per_second: " + std::string(number) + "\n");
        const auto config = read_text(text, "F");
        REQUIRE(config);
        CHECK(std::to_string(config->load_balancer.new_flows_per_second) == number);
    }
}

TEST_CASE("a profile is per packet when it says so, and only then") {
    std::string text = kMinimal;
    text.insert(text.find("pools:"),
                "  - {name: each, type: udp_fast_path, per_packet: true, dsr_profile: {dsr_type: l2}}\n"
                "  - {name: flow, type: udp_fast_path, per_packet: false, dsr_profile: {dsr_type: l2}}\n"
                "  - {name: tcp2, type: tcp_fast_path, per_packet: false, dsr_profile: {dsr_type: l2}}\n");
    const auto config = read_text(text, "F");
    REQUIRE(config);
    REQUIRE(config->network_profiles.size() == 5);
    CHECK(config->network_profiles[2].per_packet);
    CHECK_FALSE(config->network_profiles[3].per_packet);
    CHECK_FALSE(config->network_profiles[4].per_packet);
}

TEST_CASE("an outer source is a prefix, or the interface's address when that is said") {
    std::string text = kMinimal;
    text.insert(text.find("pools:"),
                "  - {name: wide, type: tcp_fast_path, dsr_profile: {dsr_type: l3, outer_source: 10.200.0.0/16}}\n"
                "  - {name: own, type: tcp_fast_path, dsr_profile: {dsr_type: l3, outer_source: interface}}\n");
    const auto config = read_text(text, "F");
    REQUIRE(config);
    REQUIRE(config->network_profiles.size() == 4);
    CHECK(config->network_profiles[2].outer_source == wire::Ipv4Prefix{ip("10.200.0.0"), 16});
    CHECK_FALSE(config->network_profiles[3].outer_source);
}

TEST_CASE("services of different VIPs may treat pings differently") {
    const auto config = read_text(
        kMinimal +
            "  - {name: t, vip: 203.0.113.11, ports: [80], network_profile: tcp, pool: b, icmp_echo: forward}\n" +
            "  - {name: u, vip: 203.0.113.12, ports: [80], network_profile: tcp, pool: b, icmp_echo: answer}\n",
        "F");
    REQUIRE(config);
    CHECK(config->virtual_services.at(1).icmp_echo == IcmpEcho::forward);
    CHECK(config->virtual_services.at(2).icmp_echo == IcmpEcho::answer);
}

TEST_CASE("services of one VIP agree on pings, also when one of them says what is the default") {
    CHECK(read_text(
        kMinimal + "  - {name: t, vip: 203.0.113.10, ports: [80], network_profile: tcp, pool: b, icmp_echo: answer}\n",
        "F"));
}

TEST_CASE("a file that cannot be read is one problem without a position") {
    const auto missing = read_file("/nonexistent/dsr.yaml");
    REQUIRE_FALSE(missing);
    REQUIRE(missing.error().size() == 1);
    CHECK(missing.error()[0].line == 0);
    CHECK(to_string(missing.error()[0]) == "/nonexistent/dsr.yaml: cannot be read: No such file or directory");

    const auto directory = read_file("/");
    REQUIRE_FALSE(directory);
    CHECK(to_string(directory.error().at(0)) == "/: cannot be read: Is a directory");
}

TEST_CASE("a file without an end is refused instead of filling the memory") {
    const auto result = read_file("/dev/zero");
    REQUIRE_FALSE(result);
    REQUIRE(result.error().size() == 1);
    CHECK(to_string(result.error()[0]) == "/dev/zero: is larger than 16 MiB");
}

TEST_CASE("a text of exactly 16 MiB is read") {
    std::string text = kMinimal + "#";
    text.resize(std::size_t{16} << 20U, 'x');
    CHECK(read_text(text, "F"));
    text += 'x';
    CHECK(only_problem(text) == "F: is larger than 16 MiB");
}

TEST_CASE("user text in a message stays on one line and of bounded length") {
    const std::string name(5000, 'n');
    const std::string message = only_problem(
        kMinimal + "  - {name: \"a\\nb\\e\", vip: 203.0.113.11, ports: [80], network_profile: tcp, pool: b}\n");
    CHECK(message == "F:12:12: virtual_services[1].name: 'a\\nb\\x1b' is not text of 1 to 64 bytes on one line");
    CHECK(only_problem(kMinimal + name + ": x\n").size() < 300);
}

TEST_CASE("deep nesting ends in a problem, not in a crash") {
    for (const char bracket : {'[', '{'}) {
        const auto result = read_text(std::string(100000, bracket), "F");
        REQUIRE_FALSE(result);
        CHECK(result.error().size() == 1);
        CHECK(to_string(result.error()[0]) == "F:1:17: YAML: nested deeper than 16 levels");
    }
    std::string blocks;
    for (int i = 0; i < 1000; ++i)
        blocks += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
    CHECK(only_problem(blocks) == "F:17:17: YAML: nested deeper than 16 levels");
}

TEST_CASE("problems come in the order of the file") {
    const auto result = read_text("virtual_services: 1\nzzz: 1\npools: 1\nload_balancer: {workers: 0}\n", "F");
    REQUIRE_FALSE(result);
    REQUIRE(result.error().size() == 6);
    for (std::size_t i = 1; i < result.error().size(); ++i) {
        const auto& before = result.error()[i - 1];
        const auto& after = result.error()[i];
        CHECK(std::pair(before.line, before.column) <= std::pair(after.line, after.column));
    }
}
