#include "lb/dataplane/member_counters.hpp"

#include <catch2/catch.hpp>

using namespace dsr::lb;

TEST_CASE("each pair of service and server has counters of its own") {
    MemberCounters counters;
    counters.at(1, 2).packets.add(3);
    counters.at(2, 1).packets.add(4);
    counters.at(1, 2).packets.add();
    REQUIRE(counters.find(1, 2) != nullptr);
    CHECK(counters.find(1, 2)->packets.get() == 4);
    CHECK(counters.find(2, 1)->packets.get() == 4);
    CHECK(counters.find(2, 2) == nullptr);
}

TEST_CASE("a thousand services of a hundred servers are all told apart") {
    MemberCounters counters;
    for (ServiceId service = 0; service < 1000; ++service)
        for (ServerId server = 0; server < 100; ++server)
            counters.at(service, static_cast<ServerId>(service * 10 + server)).packets.add(service + server + 1U);
    int wrong = 0;
    for (ServiceId service = 0; service < 1000; ++service)
        for (ServerId server = 0; server < 100; ++server) {
            const auto* counts = counters.find(service, static_cast<ServerId>(service * 10 + server));
            if (counts == nullptr || counts->packets.get() != service + server + 1U) ++wrong;
        }
    CHECK(wrong == 0);
}

TEST_CASE("pairs beyond the table's room are counted together instead of overwriting others") {
    MemberCounters counters;
    for (std::uint32_t pair = 0; pair < 400000; ++pair)
        counters.at(static_cast<ServiceId>(pair >> 8U), static_cast<ServerId>(pair & 255U)).packets.add();
    std::uint64_t found = 0;
    for (std::uint32_t pair = 0; pair < 400000; ++pair)
        if (const auto* counts =
                counters.find(static_cast<ServiceId>(pair >> 8U), static_cast<ServerId>(pair & 255U))) {
            REQUIRE(counts->packets.get() == 1);
            ++found;
        }
    CHECK(found > 100000);
    CHECK(found <= 262144);
}
