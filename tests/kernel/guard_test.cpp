// The program dsr_guard on single frames.
#include <catch2/catch.hpp>

#include "common/wire/build.hpp"
#include "filter_run.hpp"

namespace dsr::test {
namespace {

Frame to(const char* destination) {
    Frame frame(200);
    const auto done = wire::FrameBuilder(frame)
                          .ethernet({}, {})
                          .ipv4({.source = address("198.51.100.7"), .destination = address(destination)})
                          .udp(4000, 7000)
                          .finish();
    REQUIRE(done);
    frame.resize(done->size());
    return frame;
}

}  // namespace

TEST_CASE("guard: only IPv4 for a VIP passes") {
    serverprep::Filter filter;
    filter.role = serverprep::FilterRole::guard;
    filter.vips = {address("10.9.9.9"), address("10.9.9.10")};
    FilterRun guard(filter);
    for (const char* vip : {"10.9.9.9", "10.9.9.10"}) {
        const Ran ran = guard.run(to(vip));
        CHECK(ran.verdict == kGoesOn);
        CHECK(ran.counted == "passed");
        CHECK(ran.frame == to(vip));
    }
    for (const char* other : {"10.9.9.8", "10.9.0.2", "127.0.0.1", "224.0.0.1", "255.255.255.255"}) {
        CAPTURE(other);
        const Ran ran = guard.run(to(other));
        CHECK(ran.verdict == kDropped);
        CHECK(ran.counted == "dropped");
    }
    Frame ipv6 = to("10.9.9.9");
    ipv6.resize(100);  // BPF_PROG_TEST_RUN takes no shorter one
    ipv6[12] = 0x86, ipv6[13] = 0xdd;
    CHECK(guard.run(ipv6).verdict == kDropped);
}

}  // namespace dsr::test
