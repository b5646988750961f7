// The program dsr_decap on single frames.
#include <catch2/catch.hpp>

#include "common/wire/build.hpp"
#include "common/wire/checksum.hpp"
#include "filter_run.hpp"

namespace dsr::test {
namespace {

serverprep::Filter filter() {
    serverprep::Filter made;
    made.vips = {address("10.9.9.9"), address("10.9.9.10")};
    made.addresses = {address("10.9.0.2")};
    made.sources = {{address("10.9.1.0"), 24}, {address("10.9.0.1"), 32}};
    return made;
}

struct Packet {
    wire::Ipv4Fields outer{.source = address("10.9.0.1"), .destination = address("10.9.0.2")};
    wire::Ipv4Fields inner{.source = address("198.51.100.7"), .destination = address("10.9.9.9")};
    std::size_t payload = 100;
    std::size_t padding = 0;
};

constexpr std::size_t kOuter = sizeof(wire::EthernetHeader);
constexpr std::size_t kInner = kOuter + sizeof(wire::Ipv4Header);

Frame built(const Packet& packet) {
    Frame frame(2000);
    const Frame payload(packet.payload, 0xa5);
    const auto done = wire::FrameBuilder(frame)
                          .ethernet({}, {})
                          .ipv4(packet.outer)
                          .ipv4(packet.inner)
                          .udp(4000, 7000)
                          .payload(payload)
                          .padding(packet.padding)
                          .finish();
    REQUIRE(done);
    frame.resize(done->size());
    return frame;
}

// The frame without its outer header.
Frame without_outer(Frame frame) {
    frame.erase(frame.begin() + kOuter, frame.begin() + kInner);
    return frame;
}

wire::Ipv4Header& header(Frame& frame, std::size_t at = kOuter) {
    return *reinterpret_cast<wire::Ipv4Header*>(frame.data() + at);
}

// As somebody sends it who knows how to compute a checksum.
Frame summed(Frame frame) {
    wire::Ipv4Header& outer = header(frame);
    outer.checksum = {};
    outer.checksum = wire::internet_checksum({frame.data() + kOuter, sizeof outer});
    return frame;
}

void check_taken(FilterRun& decapsulate, const Frame& frame) {
    const Ran ran = decapsulate.run(frame);
    CHECK(ran.verdict == kGoesOn);
    CHECK(ran.counted == "decapsulated");
    CHECK(ran.frame == without_outer(frame));
}

void check_left(FilterRun& decapsulate, const Frame& frame, const std::string& counted) {
    const Ran ran = decapsulate.run(frame);
    CHECK(ran.verdict == kGoesOn);
    CHECK(ran.counted == counted);
    CHECK(ran.frame == frame);
}

}  // namespace

TEST_CASE("decapsulate: what a load balancer sends for a VIP loses exactly its outer header") {
    FilterRun decapsulate(filter());
    check_taken(decapsulate, built({}));
    for (const char* source : {"10.9.1.0", "10.9.1.255"}) {
        Packet packet;
        packet.outer.source = address(source);
        check_taken(decapsulate, built(packet));
    }
    Packet other_vip;
    other_vip.inner.destination = address("10.9.9.10");
    check_taken(decapsulate, built(other_vip));
    Packet padded;
    padded.padding = 7;
    check_taken(decapsulate, built(padded));
}

TEST_CASE("decapsulate: inner fragments and inner options are taken") {
    FilterRun decapsulate(filter());
    Packet first;
    first.inner.dont_fragment = false;
    first.inner.more_fragments = true;
    check_taken(decapsulate, built(first));
    Packet options;
    const Frame bytes(8, 1);
    options.inner.options = bytes;
    check_taken(decapsulate, built(options));
}

TEST_CASE("decapsulate: a filter without sources takes what anybody sends") {
    serverprep::Filter open = filter();
    open.sources = {};
    FilterRun decapsulate(open);
    Packet packet;
    packet.outer.source = address("203.0.113.200");
    check_taken(decapsulate, built(packet));
}

TEST_CASE("decapsulate: what is not a tunnel to this host goes on unchanged and uncounted") {
    FilterRun decapsulate(filter());
    Packet elsewhere;
    elsewhere.outer.destination = address("10.9.0.3");
    check_left(decapsulate, built(elsewhere), "");
    Frame not_ipip = built({});
    header(not_ipip).protocol = 47;
    check_left(decapsulate, summed(not_ipip), "");
    Frame not_ipv4 = built({});
    not_ipv4[12] = 0x86, not_ipv4[13] = 0xdd;
    check_left(decapsulate, not_ipv4, "");
    Frame other_host = built({});
    other_host[0] = 0x02;  // seen only because the interface is promiscuous
    check_left(decapsulate, other_host, "");
    Frame arp(42);
    arp[12] = 0x08, arp[13] = 0x06;
    check_left(decapsulate, arp, "");
}

TEST_CASE("decapsulate: what a tunnel to this host must not carry goes on unchanged, and is counted") {
    FilterRun decapsulate(filter());
    Packet foreign;
    foreign.outer.source = address("10.9.0.9");
    check_left(decapsulate, built(foreign), "foreign_source");
    Packet not_a_vip;
    not_a_vip.inner.destination = address("10.9.0.2");
    check_left(decapsulate, built(not_a_vip), "not_a_vip");
    Packet first_fragment;
    first_fragment.outer.dont_fragment = false;
    first_fragment.outer.more_fragments = true;
    check_left(decapsulate, built(first_fragment), "outer_fragments");
    Packet last_fragment;
    last_fragment.outer.dont_fragment = false;
    last_fragment.outer.fragment_offset = 1480;
    check_left(decapsulate, built(last_fragment), "outer_fragments");
}

TEST_CASE("decapsulate: malformed packets go on unchanged, and are counted") {
    FilterRun decapsulate(filter());
    Frame damaged = built({});
    header(damaged).ttl = 3;  // the checksum says otherwise
    check_left(decapsulate, damaged, "malformed");
    Frame inner_ipv6 = built({});
    header(inner_ipv6, kInner).version_and_length = 0x65;
    check_left(decapsulate, inner_ipv6, "malformed");
    Frame inner_short = built({});
    header(inner_short, kInner).version_and_length = 0x44;
    check_left(decapsulate, inner_short, "malformed");
    Packet options;
    const Frame bytes(4, 1);
    options.outer.options = bytes;
    check_left(decapsulate, built(options), "malformed");
    Frame longer_than_there_is = built({});
    header(longer_than_there_is).total_length = wire::be16(1400);
    check_left(decapsulate, summed(longer_than_there_is), "malformed");
}

TEST_CASE("decapsulate: a packet cut at any length is either taken whole or goes on as it came") {
    FilterRun decapsulate(filter());
    const Frame whole = built({.payload = 0});
    for (std::size_t size = kInner; size < whole.size(); ++size) {  // BPF_PROG_TEST_RUN takes no shorter one
        Frame cut = whole;
        cut.resize(size);
        header(cut).total_length = wire::be16(static_cast<std::uint16_t>(size - kOuter));
        cut = summed(cut);
        CAPTURE(size);
        if (size < kInner + sizeof(wire::Ipv4Header))
            check_left(decapsulate, cut, "malformed");
        else
            check_taken(decapsulate, cut);
    }
}

TEST_CASE("decapsulate: congestion marks move inward as in figure 4 of RFC 6040") {
    FilterRun decapsulate(filter());
    constexpr int kDrop = -1;
    // Rows: inner Not-ECT 0, ECT(1) 1, ECT(0) 2, CE 3; columns: the same of the outer header.
    constexpr int kResult[4][4] = {{0, 0, 0, kDrop}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
    for (std::uint8_t inner = 0; inner < 4; ++inner) {
        for (std::uint8_t outer = 0; outer < 4; ++outer) {
            CAPTURE(int{inner}, int{outer});
            Packet packet;
            packet.inner.tos = static_cast<std::uint8_t>(0xb8 | inner);  // the class of traffic stays the inner one
            packet.outer.tos = static_cast<std::uint8_t>(0x20 | outer);
            const Frame frame = built(packet);
            Ran ran = decapsulate.run(frame);
            if (kResult[inner][outer] == kDrop) {
                CHECK(ran.verdict == kDropped);
                CHECK(ran.counted == "congestion_dropped");
                continue;
            }
            CHECK(ran.verdict == kGoesOn);
            CHECK(ran.counted == "decapsulated");
            wire::Ipv4Header& now = header(ran.frame);
            CHECK(now.tos == (0xb8 | kResult[inner][outer]));
            CHECK(wire::checksum_valid(now));
            Frame expected = without_outer(frame);
            header(expected).tos = now.tos;
            header(expected).checksum = now.checksum;
            CHECK(ran.frame == expected);
        }
    }
}

}  // namespace dsr::test
