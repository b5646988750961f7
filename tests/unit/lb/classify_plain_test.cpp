#include "lb/dataplane/classify_plain.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "lb/dataplane/classify.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

TEST_CASE("what is recognised as a plain packet is just what a closer look finds, for whole and for damaged packets") {
    std::mt19937 random(20261124);
    auto config = two_server_config();
    config.network_profiles[1].per_packet = true;
    const Core core(config);
    Counters counters;
    int plain = 0;
    int refused = 0;
    for (int round = 0; round < 50000; ++round) {
        const auto port = static_cast<std::uint16_t>(random());
        const auto flags = static_cast<std::uint8_t>(random());
        auto frame = round % 2 == 0 ? tcp_frame(port, flags, random() % 40) : udp_frame(port, 12 + random() % 40);
        if (round % 4 >= 2) {
            frame->bytes()[random() % frame->length] ^= static_cast<std::uint8_t>(random());
            frame->length -= random() % 8;
        }
        Packet quick = frame->packet();
        Packet close = frame->packet();
        quick.ip_checked = close.ip_checked = round % 3 == 0;
        Classified by_quick;
        Classified by_close;
        if (!classify_plain(*core.table, quick, by_quick)) {
            REQUIRE(quick.service == kNoId);
            ++refused;
            continue;
        }
        ++plain;
        classify(*core.table, close, by_close, counters);
        REQUIRE(close.verdict == Verdict::passed);  // undecided: its server is to be found
        REQUIRE(by_quick.way == by_close.way);
        REQUIRE(quick.service == close.service);
        REQUIRE(by_quick.ip == by_close.ip);
        REQUIRE(by_quick.lookup.key.value == by_close.lookup.key.value);
        REQUIRE(by_quick.lookup.hash == by_close.lookup.hash);
        REQUIRE(by_quick.lookup.event == by_close.lookup.event);
        REQUIRE(by_quick.tcp_header_length == by_close.tcp_header_length);
        REQUIRE(by_quick.first_fragment == by_close.first_fragment);
    }
    CHECK(plain >= 25000);  // all that were left whole
    CHECK(refused > 1000);
}

TEST_CASE("a header checksum that the device has found right is not asked again, neither closely nor quickly") {
    const Core core;
    Counters counters;
    for (const bool checked : {false, true}) {
        auto frame = tcp_frame(1000);
        ip_of(*frame).checksum = wire::be16(0x1234);
        Packet quick = frame->packet();
        Packet close = frame->packet();
        quick.ip_checked = close.ip_checked = checked;
        Classified found;
        CHECK(classify_plain(*core.table, quick, found) == checked);
        classify(*core.table, close, found, counters);
        CHECK((found.way == Way::flow) == checked);
        if (!checked) CHECK(close.reason == Drop::ipv4_checksum);
        CHECK(close.verdict == (checked ? Verdict::passed : Verdict::dropped));  // passed: not decided yet
    }
}
