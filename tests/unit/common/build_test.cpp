// The frame builder's refusals and what it fills in. That its frames are right is shown against scapy in
// golden_test.cpp.
#include "common/wire/build.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <vector>

#include "common/wire/checksum.hpp"
#include "common/wire/parse.hpp"

using namespace dsr::wire;

namespace {

const MacAddress kMac{{0x02, 0, 0, 0, 0, 0x01}};
const Ipv4Address kFrom = Ipv4Address::from_host(0x0a000001);
const Ipv4Address kTo = Ipv4Address::from_host(0x0a000002);
const Ipv4Fields kIp{.source = kFrom, .destination = kTo};
constexpr std::array<std::uint8_t, 3> kOdd{1, 2, 3};

// Sums a segment with its pseudo-header, checksum field included: ffff when it is right.
std::uint16_t segment_sum(const TransportView& view, Bytes segment) {
    const auto length = static_cast<std::uint16_t>(segment.size());
    return checksum_fold(
        checksum_add(segment, pseudo_header_sum(view.flow.source, view.flow.destination, view.flow.protocol, length)));
}

}  // namespace

TEST_CASE("lengths and checksums are right, for odd payloads as well") {
    for (const bool tcp : {false, true}) {
        std::array<std::uint8_t, 256> buffer;
        buffer.fill(0xee);
        FrameBuilder builder(buffer);
        builder.ethernet(kMac, kMac).ipv4(kIp);
        if (tcp)
            builder.tcp({.source_port = 1, .destination_port = 2});
        else
            builder.udp(1, 2);
        const auto frame = builder.payload(kOdd).finish();
        REQUIRE(frame);
        const auto view = parse_transport(*frame);
        REQUIRE(view);
        CHECK(verify_ipv4_checksum(view->ipv4));
        CHECK(view->payload.size() == kOdd.size());
        CHECK(segment_sum(*view, view->ipv4.payload) == 0xffff);
    }
}

TEST_CASE("a UDP checksum that comes out as zero is sent as ffff") {
    // RFC 768: zero means that there is none. One payload word in 65536 sums up to zero.
    int found = 0;
    for (std::uint32_t word = 0; word < 0x10000; ++word) {
        std::array<std::uint8_t, 64> buffer;
        const std::array<std::uint8_t, 2> payload{static_cast<std::uint8_t>(word >> 8U),
                                                  static_cast<std::uint8_t>(word)};
        const auto frame = FrameBuilder(buffer).ethernet(kMac, kMac).ipv4(kIp).udp(1, 2).payload(payload).finish();
        REQUIRE(frame);
        const be16 checksum = parse_transport(*frame)->udp->checksum;
        if (checksum.host() == 0) FAIL("a zero checksum for payload " << word);
        if (checksum.host() == 0xffff) ++found;
    }
    CHECK(found == 1);
}

TEST_CASE("an outer checksum covers a finished inner packet") {
    std::array<std::uint8_t, 256> buffer;
    const auto frame = FrameBuilder(buffer)
                           .ethernet(kMac, kMac)
                           .ipv4(kIp)
                           .icmp({.type = 3, .code = 3})
                           .ipv4(kIp)
                           .udp(1, 2)
                           .payload(kOdd)
                           .finish();
    REQUIRE(frame);
    const auto ip = parse_ipv4(frame->subspan(14));
    REQUIRE(ip);
    CHECK(ip->header->protocol == kProtocolIcmp);
    CHECK(checksum_valid(ip->payload));
    const auto quoted = parse_ipv4(ip->payload.subspan(8));
    REQUIRE(quoted);
    CHECK(verify_ipv4_checksum(*quoted));
}

TEST_CASE("a buffer that is one byte too small, or any smaller, gives no frame") {
    std::array<std::uint8_t, 64> large;
    const auto build = [](MutableBytes buffer) {
        return FrameBuilder(buffer).ethernet(kMac, kMac).vlan(1).ipv4(kIp).tcp({}).payload(kOdd).padding(2).finish();
    };
    const auto whole = build(large);
    REQUIRE(whole);
    REQUIRE(whole->size() == 14 + 4 + 20 + 20 + 3 + 2);
    for (std::size_t size = 0; size < whole->size(); ++size) {
        std::vector<std::uint8_t> small(size);
        CHECK_FALSE(build(small));
    }
    std::vector<std::uint8_t> exact(whole->size());
    CHECK(build(exact));
}

TEST_CASE("nothing is written behind a buffer that is too small") {
    std::array<std::uint8_t, 80> guarded;
    for (std::size_t size = 0; size < 60; ++size) {
        guarded.fill(0xaa);
        FrameBuilder(MutableBytes(guarded).first(size))
            .ethernet(kMac, kMac)
            .ipv4(kIp)
            .udp(1, 2)
            .payload(kOdd)
            .padding(20)
            .finish();
        for (std::size_t i = size; i < guarded.size(); ++i)
            REQUIRE(guarded[i] == 0xaa);
    }
}

TEST_CASE("fields out of range give no frame") {
    std::array<std::uint8_t, 256> buffer;
    const std::array<std::uint8_t, 44> options{};
    const auto ipv4 = [&](Ipv4Fields fields) {
        return FrameBuilder(buffer).ethernet(kMac, kMac).ipv4(fields).finish().has_value();
    };
    const auto tcp = [&](TcpFields fields) {
        return FrameBuilder(buffer).ethernet(kMac, kMac).ipv4(kIp).tcp(fields).finish().has_value();
    };
    CHECK(ipv4({.options = Bytes(options).first(40)}));
    CHECK_FALSE(ipv4({.options = options}));
    CHECK_FALSE(ipv4({.options = Bytes(options).first(3)}));
    CHECK(ipv4({.fragment_offset = 65528}));
    CHECK_FALSE(ipv4({.fragment_offset = 1}));
    CHECK(tcp({.options = Bytes(options).first(40)}));
    CHECK_FALSE(tcp({.options = options}));
    CHECK_FALSE(tcp({.options = Bytes(options).first(2)}));
    CHECK(FrameBuilder(buffer).ethernet(kMac, kMac).vlan(4095).finish());
    CHECK_FALSE(FrameBuilder(buffer).ethernet(kMac, kMac).vlan(4096).finish());
}

TEST_CASE("layers in an order that no frame has give no frame") {
    std::array<std::uint8_t, 256> buffer;
    CHECK_FALSE(FrameBuilder(buffer).vlan(1).finish());
    CHECK_FALSE(FrameBuilder(buffer).ethernet(kMac, kMac).ipv4(kIp).vlan(1).finish());
    CHECK_FALSE(FrameBuilder(buffer).ethernet(kMac, kMac).padding(4).ipv4(kIp).finish());
    CHECK_FALSE(FrameBuilder(buffer).ethernet(kMac, kMac).padding(4).payload(kOdd).finish());
}

TEST_CASE("eight layers fit, nine do not, and a failure lasts") {
    std::array<std::uint8_t, 512> buffer;
    FrameBuilder builder(buffer);
    builder.ethernet(kMac, kMac);
    for (int i = 0; i < 7; ++i)
        builder.ipv4(kIp);
    CHECK(builder.finish());
    builder.ipv4(kIp);
    CHECK_FALSE(builder.finish());
    builder.payload(kOdd);
    CHECK_FALSE(builder.finish());
}

TEST_CASE("a packet longer than IPv4 can say gives no frame") {
    std::vector<std::uint8_t> buffer(70000);
    const std::vector<std::uint8_t> payload(65535);
    const Bytes bytes(payload);
    CHECK(FrameBuilder(buffer).ethernet(kMac, kMac).ipv4(kIp).udp(1, 2).payload(bytes.first(65535 - 28)).finish());
    CHECK_FALSE(
        FrameBuilder(buffer).ethernet(kMac, kMac).ipv4(kIp).udp(1, 2).payload(bytes.first(65535 - 27)).finish());
    CHECK_FALSE(FrameBuilder(buffer).ethernet(kMac, kMac).ipv4(kIp).payload(bytes).finish());
}

TEST_CASE("an empty builder makes an empty frame") {
    std::array<std::uint8_t, 1> buffer;
    const auto frame = FrameBuilder(buffer).finish();
    REQUIRE(frame);
    CHECK(frame->empty());
}
