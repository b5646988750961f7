#include "lb/dataplane/flow_table.hpp"

#include <catch2/catch.hpp>

#include "common/ring/flow_hash.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

wire::FlowKey flow_of(std::uint16_t port) {
    return {kClient, kVip, port, 80, 6};
}

FlowTable::Entry* add(FlowTable& table, std::uint16_t port, FlowTime now, std::uint16_t timeout) {
    const auto flow = flow_of(port);
    auto* entry = table.insert(flow, 3, ring::flow_hash(flow), now);
    if (entry != nullptr) FlowTable::touch(*entry, now, timeout);
    return entry;
}
FlowTable::Entry* find(FlowTable& table, std::uint16_t port, FlowTime now) {
    return table.find(flow_of(port), 3, ring::flow_hash(flow_of(port)), now);
}

}  // namespace

TEST_CASE("a flow is found until its idle timeout is over, and not a second longer") {
    FlowTable table(64);
    REQUIRE(add(table, 1, 100, 10) != nullptr);
    CHECK(find(table, 1, 110) != nullptr);
    CHECK(find(table, 1, 111) == nullptr);
}

TEST_CASE("a flow with timeout 0 never expires") {
    FlowTable table(64);
    REQUIRE(add(table, 1, 0, 0) != nullptr);
    table.sweep(table.bucket_count(), 40000);
    CHECK(find(table, 1, 65535) != nullptr);
}

TEST_CASE("the clock may wrap around") {
    FlowTable table(64);
    REQUIRE(add(table, 1, 65530, 10) != nullptr);
    CHECK(find(table, 1, 2) != nullptr);
    CHECK(find(table, 1, 5) == nullptr);
}

TEST_CASE("flows of other VIPs and other ports are other flows") {
    FlowTable table(64);
    REQUIRE(add(table, 1, 0, 10) != nullptr);
    CHECK(table.find(flow_of(1), 4, ring::flow_hash(flow_of(1)), 0) == nullptr);
    CHECK(find(table, 2, 0) == nullptr);
}

TEST_CASE("the table holds 16 bytes a flow, refuses flows when it is full of live ones and reuses expired ones") {
    FlowTable table(4);  // one bucket
    CHECK(table.capacity() == 4);
    for (std::uint16_t port = 1; port <= 4; ++port)
        REQUIRE(add(table, port, 0, 10) != nullptr);
    CHECK(add(table, 5, 10, 10) == nullptr);
    CHECK(table.count(10) == 4);
    CHECK(add(table, 5, 11, 10) != nullptr);
    CHECK(table.count(11) == 1);
}

TEST_CASE("a swept table forgets expired flows, so that they do not look alive 18 hours later") {
    FlowTable table(64);
    REQUIRE(add(table, 1, 0, 14400) != nullptr);
    REQUIRE(find(table, 1, 14401) == nullptr);
    CHECK(find(table, 1, static_cast<FlowTime>(65536 + 5)) != nullptr);  // what sweeping is for
    table.sweep(table.bucket_count(), 20000);
    CHECK(find(table, 1, static_cast<FlowTime>(65536 + 5)) == nullptr);
}

TEST_CASE("capacity is rounded up to a power of two") {
    CHECK(FlowTable(1000).capacity() == 1024);
    CHECK(FlowTable(1024).capacity() == 1024);
    CHECK(FlowTable(1025).capacity() == 2048);
}
