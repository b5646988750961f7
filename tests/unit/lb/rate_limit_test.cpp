#include "lb/dataplane/rate_limit.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

int taken(RateLimit& limit, FlowTime now, std::uint32_t most, int tries) {
    int count = 0;
    for (int i = 0; i < tries; ++i)
        count += limit.take(now, most) ? 1 : 0;
    return count;
}

}  // namespace

TEST_CASE("so many are allowed in a second and no more; the next second starts anew, also where the clock wraps") {
    RateLimit limit;
    for (const auto now : std::initializer_list<FlowTime>{0, 1, 7, 65535, 0})
        CHECK(taken(limit, now, 10, 25) == 10);
}

TEST_CASE("limit 0 limits nothing, and a new limit counts what was taken before") {
    RateLimit limit;
    CHECK(taken(limit, 3, 0, 1000) == 1000);
    CHECK(taken(limit, 3, 1000, 1) == 0);
    CHECK(taken(limit, 3, 1001, 5) == 1);
}

TEST_CASE("flows above new_flows_per_second are served by the ring, counted as flow_limit and not remembered") {
    auto config = two_server_config();
    config.load_balancer.new_flows_per_second = 10;
    Core core(config);
    for (std::uint16_t port = 1; port <= 25; ++port) {
        auto frame = tcp_frame(port, wire::kTcpAck);
        REQUIRE(core.run(*frame, 5).verdict == Verdict::forwarded);
    }
    CHECK(core.counters.new_flows.get() == 10);
    CHECK(core.counters.flow_limit.get() == 15);
    CHECK(core.state.flows.count(5) == 10);
    // Flows that are known need no new entry.
    core.run(*tcp_frame(1, wire::kTcpAck), 5);
    CHECK(core.counters.flow_limit.get() == 15);
    core.run(*tcp_frame(25, wire::kTcpAck), 6);
    CHECK(core.counters.new_flows.get() == 11);
}

TEST_CASE("a RST flood does not use up the new flows of a second") {
    auto config = two_server_config();
    config.load_balancer.new_flows_per_second = 1;
    Core core(config);
    for (std::uint16_t port = 1; port <= 100; ++port)
        core.run(*tcp_frame(port, wire::kTcpRst));
    core.run(*tcp_frame(200));
    CHECK(core.counters.new_flows.get() == 1);
    CHECK(core.counters.flow_limit.get() == 0);
}
