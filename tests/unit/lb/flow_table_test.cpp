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

// An established flow.
FlowTable::Entry* add(FlowTable& table, std::uint16_t port, FlowTime now, std::uint16_t timeout) {
    const auto flow = flow_of(port);
    auto* entry = table.insert(flow, 3, ring::flow_hash(flow), now);
    for (int packet = 0; entry != nullptr && packet < 2; ++packet)
        FlowTable::advance(*entry, FlowEvent::data, now, timeout);
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

// --- states ---

namespace {

constexpr FlowTime kNow = 1000;
constexpr std::uint16_t kIdle = 300;

FlowTable::Entry entry_in(FlowState state) {
    FlowTable::Entry entry;
    entry.state = state;
    entry.expires = kNow;
    return entry;
}
FlowState after(FlowState state, FlowEvent event) {
    auto entry = entry_in(state);
    FlowTable::advance(entry, event, kNow, kIdle);
    return entry.state;
}
std::uint16_t timeout_after(FlowState state, FlowEvent event, std::uint16_t idle_timeout = kIdle) {
    auto entry = entry_in(state);
    FlowTable::advance(entry, event, kNow, idle_timeout);
    return static_cast<std::uint16_t>(entry.expires - kNow);
}

FlowState state_of(Core& core, std::uint16_t port, FlowTime now = 0) {
    const auto flow = flow_of(port);
    const auto* entry = core.state.flows.find(flow, core.table->services[0].vip_id, ring::flow_hash(flow), now);
    return entry == nullptr ? FlowState::free : entry->state;
}

}  // namespace

TEST_CASE("every state and event leads to the state that the table in the header says") {
    using enum FlowState;
    using enum FlowEvent;
    for (const FlowState state : {FlowState::free, half_open, established, closing, reset}) {
        CHECK(after(state, fin) == closing);
        CHECK(after(state, rst) == reset);
        CHECK(after(state, data) == (state == closing ? closing : state == FlowState::free ? half_open : established));
        CHECK(after(state, syn) == (state == established ? established : half_open));
    }
}

TEST_CASE("only established flows have the profile's timeout and last for ever; the others end within a minute") {
    using enum FlowState;
    using enum FlowEvent;
    CHECK(timeout_after(half_open, data) == kIdle);
    CHECK(timeout_after(FlowState::free, syn) == 60);
    CHECK(timeout_after(established, fin) == 60);
    CHECK(timeout_after(established, rst) == 10);
    // Where the profile's is shorter, theirs is too.
    CHECK(timeout_after(FlowState::free, syn, 5) == 5);
    CHECK(timeout_after(established, fin, 5) == 5);
    CHECK(timeout_after(established, rst, 5) == 5);
    // 0 means never, for established ones alone.
    CHECK(timeout_after(FlowState::free, syn, 0) == 60);
    for (const FlowEvent event : {data, syn, fin, rst}) {
        for (const FlowState state : {established, lasting}) {
            auto entry = entry_in(state);
            FlowTable::advance(entry, event, kNow, 0);
            CHECK((entry.state == lasting) == (event == data || event == syn));
        }
        CHECK(after(lasting, event) == after(established, event));  // the profile has a timeout now
    }
}

TEST_CASE("refreshing is what advancing does to a flow that stays established, and nothing at all to others") {
    using enum FlowState;
    using enum FlowEvent;
    int refreshed = 0;
    for (const FlowState state : {half_open, established, closing, reset, lasting})
        for (const FlowEvent event : {data, syn, fin, rst})
            for (const std::uint16_t idle : {std::uint16_t{0}, kIdle}) {
                auto quick = entry_in(state);
                auto slow = entry_in(state);
                if (!FlowTable::refresh(quick, event, kNow, idle)) {
                    CHECK(quick.state == state);
                    CHECK(quick.expires == kNow);
                    continue;
                }
                ++refreshed;
                FlowTable::advance(slow, event, kNow, idle);
                CHECK(quick.state == slow.state);
                CHECK(quick.expires == slow.expires);
            }
    CHECK(refreshed == 2);
}

TEST_CASE("a flow is found wherever in its bucket it is, and whatever else has its key") {
    for (int place = 0; place < 4; ++place)
        for (int others = 0; others < 16; ++others) {
            FlowTable table(4);  // one bucket
            const auto flow = flow_of(1);
            for (int i = 0; i < 4; ++i) {
                const bool same_key = i == place || (others >> i & 1) != 0;
                const auto key = same_key ? flow : flow_of(static_cast<std::uint16_t>(100 + i));
                auto* entry = table.insert(key, i == place ? 3 : static_cast<std::uint16_t>(10 + i), 0, 0);
                REQUIRE(entry != nullptr);
                FlowTable::advance(*entry, FlowEvent::fin, 0, 10);
                entry->server = static_cast<ServerId>(i) & kNoServer;
            }
            const auto* found = table.find(flow, 3, 0, 0);
            REQUIRE(found != nullptr);
            CHECK(found->server == static_cast<ServerId>(place));
            CHECK(table.find(flow, 4, 0, 0) == nullptr);
            CHECK(table.find(flow, 3, 0, 11) == nullptr);
        }
}

TEST_CASE("half-open and reset flows give way when their bucket is full, established and closing ones do not") {
    using enum FlowState;
    for (const FlowState state : {half_open, established, closing, reset}) {
        FlowTable table(4);
        for (std::uint16_t port = 1; port <= 4; ++port)
            add(table, port, 0, 100)->state = port == 2 ? state : established;
        const bool gives_way = state == half_open || state == reset;
        CHECK((add(table, 9, 0, 100) != nullptr) == gives_way);
        CHECK((find(table, 2, 0) == nullptr) == gives_way);
        for (const auto port : std::initializer_list<std::uint16_t>{1, 3, 4})
            CHECK(find(table, port, 0) != nullptr);
    }
}

TEST_CASE("an expired flow gives way before a half-open one does") {
    FlowTable table(4);
    for (std::uint16_t port = 1; port <= 4; ++port)
        add(table, port, 0, port == 4 ? 5 : 100)->state = port == 4 ? FlowState::established : FlowState::half_open;
    REQUIRE(add(table, 9, 10, 100) != nullptr);
    for (const auto port : std::initializer_list<std::uint16_t>{1, 2, 3})
        CHECK(find(table, port, 10) != nullptr);
}

TEST_CASE("a SYN flood takes no entry from an established flow") {
    Core core;
    core.state.flows = FlowTable(64);
    for (std::uint16_t port = 1; port <= 20; ++port)
        for (int packet = 0; packet < 2; ++packet)
            core.run(*tcp_frame(port, wire::kTcpAck));
    std::vector<std::uint16_t> remembered;
    for (std::uint16_t port = 1; port <= 20; ++port)
        if (state_of(core, port) == FlowState::established) remembered.push_back(port);
    REQUIRE(remembered.size() > 10);
    for (std::uint16_t port = 1000; port < 11000; ++port)
        core.run(*tcp_frame(port, wire::kTcpSyn));
    for (const std::uint16_t port : remembered)
        CHECK(state_of(core, port) == FlowState::established);
    CHECK(core.conserved());
}

TEST_CASE("TCP flags say what a packet does to its flow") {
    using namespace wire;
    Core core;
    core.run(*tcp_frame(1, kTcpSyn));
    CHECK(state_of(core, 1) == FlowState::half_open);
    core.run(*tcp_frame(1, kTcpSyn | kTcpAck));  // only servers send it; no new connection
    CHECK(state_of(core, 1) == FlowState::established);
    core.run(*tcp_frame(1, kTcpSyn));
    CHECK(state_of(core, 1) == FlowState::established);
    core.run(*tcp_frame(1, kTcpFin | kTcpAck));
    CHECK(state_of(core, 1) == FlowState::closing);
    core.run(*tcp_frame(1, kTcpAck));
    CHECK(state_of(core, 1) == FlowState::closing);
    core.run(*tcp_frame(1, kTcpRst));
    CHECK(state_of(core, 1) == FlowState::reset);
    core.run(*tcp_frame(1, kTcpAck));
    CHECK(state_of(core, 1) == FlowState::established);
    core.run(*tcp_frame(1, kTcpRst | kTcpFin | kTcpAck));
    CHECK(state_of(core, 1) == FlowState::reset);
    core.run(*tcp_frame(1, kTcpSyn));
    CHECK(state_of(core, 1) == FlowState::half_open);
}

TEST_CASE("a RST of a flow that is not known is forwarded and not remembered") {
    Core core;
    CHECK(core.run(*tcp_frame(1, wire::kTcpRst)).verdict == Verdict::forwarded);
    CHECK(state_of(core, 1) == FlowState::free);
    CHECK(core.counters.new_flows.get() == 0);
    CHECK(core.counters.flow_table_full.get() == 0);
}

TEST_CASE("a SYN sent again goes to the draining server that got the first one, a new connection to another") {
    Core core;
    const Packet first = core.run(*tcp_frame(7));
    auto config = two_server_config();
    for (auto& server : config.pools[0].servers)
        if (server.address == core.server_of(first)) server.state = config::ServerState::draining;
    core.rebuild(config);
    CHECK(core.run(*tcp_frame(7)).server == first.server);
    core.run(*tcp_frame(7, wire::kTcpFin | wire::kTcpAck));
    CHECK(core.run(*tcp_frame(7)).server != first.server);
}

TEST_CASE("a flow for which the table has no room is counted as such and still served, always by the same server") {
    Core core;
    core.state.flows = FlowTable(4);
    for (std::uint16_t port = 1; port <= 4; ++port)
        for (int packet = 0; packet < 2; ++packet)
            core.run(*tcp_frame(port, wire::kTcpAck));
    const Packet first = core.run(*tcp_frame(9, wire::kTcpAck));
    CHECK(first.verdict == Verdict::forwarded);
    CHECK(core.run(*tcp_frame(9, wire::kTcpAck)).server == first.server);
    CHECK(core.counters.flow_table_full.get() == 2);
    CHECK(core.counters.new_flows.get() == 4);
}

TEST_CASE("per_packet: every datagram of a flow is hashed anew, none is remembered, all servers get their share") {
    auto config = two_server_config();
    config.network_profiles[1].per_packet = true;
    Core core(config);
    std::array<int, 2> seen{};
    for (int i = 0; i < 1000; ++i) {
        auto frame = udp_frame(1);
        const Packet packet = core.run(*frame);
        REQUIRE(packet.verdict == Verdict::forwarded);
        ++seen.at(packet.server);
    }
    CHECK(seen[0] > 400);
    CHECK(seen[1] > 400);
    CHECK(core.counters.new_flows.get() == 0);
    CHECK(core.state.flows.count(0) == 0);
}
