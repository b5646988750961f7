#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "common/ring/flow_hash.hpp"
#include "common/ring/maglev.hpp"
#include "tests/unit/verify/scene.hpp"

namespace dsr::verify::test {
namespace {

bool any_port(std::uint16_t) {
    return true;
}

Target target_with(std::size_t servers) {
    Target target{kVip, 80, Protocol::tcp, {}, 65537};
    for (std::size_t i = 0; i < servers; ++i)
        target.servers.push_back({wire::Ipv4Address::from_host(0x0a000100U + static_cast<std::uint32_t>(i))});
    return target;
}

TEST_CASE("aimed plans give every server the wanted number of flows, on the ring's own word") {
    for (const std::size_t servers : {std::size_t{1}, std::size_t{2}, std::size_t{16}, std::size_t{100}}) {
        const Target target = target_with(servers);
        const auto flows = plan_flows(target, kClient, {}, any_port);
        REQUIRE(flows.has_value());
        CHECK(flows->size() == servers * kFlowsPerServer);
        std::vector<ring::Server> pool;
        for (const Server& server : target.servers)
            pool.push_back({server.address});
        const auto table = ring::build_table(pool, 65537).value();
        std::vector<std::size_t> count(servers, 0);
        for (const PlannedFlow& planned : *flows) {
            const std::size_t owner = table[ring::slot_of(ring::flow_hash(planned.flow), 65537)];
            CHECK(planned.server == owner);
            ++count[owner];
        }
        CHECK(std::ranges::all_of(count, [](std::size_t n) { return n == kFlowsPerServer; }));
    }
}

TEST_CASE("a server with a small weight is reached as well") {
    Target target = target_with(3);
    target.servers[1].weight = 100;
    target.servers[2].weight = 100;
    const auto flows = plan_flows(target, kClient, {}, any_port);
    REQUIRE(flows.has_value());
    CHECK(std::ranges::count(*flows, std::size_t{0}, &PlannedFlow::server) == kFlowsPerServer);
}

TEST_CASE("ports in use are skipped and every port is taken once") {
    std::set<std::uint16_t> asked;
    const auto odd = [&](std::uint16_t port) {
        CHECK(asked.insert(port).second);
        return port % 2 == 1;
    };
    const auto flows = plan_flows(target_with(2), kClient, {.first_port = 32760}, odd);
    REQUIRE(flows.has_value());
    CHECK(flows->size() == 8);
    for (const PlannedFlow& planned : *flows) {
        CHECK(planned.flow.source_port % 2 == 1);
        CHECK(planned.flow.source_port >= kFirstProbePort);
        CHECK(planned.flow.source_port <= kLastProbePort);
    }
}

TEST_CASE("without a ring the number of probes is what was asked for") {
    Target target = target_with(0);
    const auto flows = plan_flows(target, kClient, {.probes = 25}, any_port);
    REQUIRE(flows.has_value());
    CHECK(flows->size() == 25);
    CHECK(std::ranges::none_of(*flows, [](const PlannedFlow& planned) { return planned.server.has_value(); }));
    target = target_with(2);
    target.maglev_table_size = 0;  // servers known from counters, the ring is not
    CHECK(plan_flows(target, kClient, {.probes = 25}, any_port)->size() == 25);
}

TEST_CASE("the default number of unaimed probes reaches each of 16 servers with probability 0.999") {
    double missed = 16;
    for (std::size_t i = 0; i < kDefaultProbes; ++i)
        missed *= 15.0 / 16;
    CHECK(missed < 0.001);
}

TEST_CASE("when no port is free there are no flows, and no endless search") {
    const auto flows = plan_flows(target_with(2), kClient, {}, [](std::uint16_t) { return false; });
    REQUIRE(flows.has_value());
    CHECK(flows->empty());
}

TEST_CASE("a table size that is not prime is refused") {
    Target target = target_with(2);
    target.maglev_table_size = 100;
    CHECK_FALSE(plan_flows(target, kClient, {}, any_port).has_value());
}

}  // namespace
}  // namespace dsr::verify::test
