// Parsing and printing: every error, and every length at which a frame can be cut.
#include "common/wire/parse.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "common/wire/build.hpp"
#include "common/wire/print.hpp"

using namespace dsr::wire;

namespace {

using Frame = std::vector<std::uint8_t>;

const MacAddress kClientMac{{0x02, 0, 0, 0, 0, 0x01}};
const MacAddress kServerMac{{0x02, 0, 0, 0, 0, 0x02}};
const Ipv4Address kClient = Ipv4Address::from_host(0xc6336401);  // 198.51.100.1
const Ipv4Address kVip = Ipv4Address::from_host(0xcb00710a);     // 203.0.113.10
constexpr std::array<std::uint8_t, 4> kIpOptions{1, 1, 1, 0};
constexpr std::array<std::uint8_t, 4> kTcpOptions{2, 4, 0x05, 0xa0};  // MSS 1440
constexpr std::array<std::uint8_t, 5> kPayload{'h', 'e', 'l', 'l', 'o'};

Frame build(const std::function<void(FrameBuilder&)>& layers) {
    std::array<std::uint8_t, 2048> buffer;
    FrameBuilder builder(buffer);
    layers(builder);
    const auto frame = builder.finish();
    REQUIRE(frame);
    return {frame->begin(), frame->end()};
}

Ipv4Fields ip_fields() {
    return {.source = kClient, .destination = kVip, .options = kIpOptions};
}

Frame tcp_frame() {
    return build([](FrameBuilder& b) {
        b.ethernet(kServerMac, kClientMac).ipv4(ip_fields());
        b.tcp({.source_port = 40000, .destination_port = 80, .sequence = 7, .flags = kTcpSyn, .options = kTcpOptions});
        b.payload(kPayload);
    });
}

Frame udp_frame() {
    return build([](FrameBuilder& b) {
        b.ethernet(kServerMac, kClientMac).vlan(7).ipv4(ip_fields()).udp(40000, 53).payload(kPayload).padding(9);
    });
}

Frame arp_frame() {
    return build([](FrameBuilder& b) {
        b.ethernet(MacAddress::broadcast(), kClientMac).arp(kArpRequest, kClientMac, kClient, {}, kVip);
    });
}

Frame icmp_frame() {
    return build([](FrameBuilder& b) {
        b.ethernet(kServerMac, kClientMac).ipv4({.source = kClient, .destination = kVip});
        b.icmp({.type = kIcmpDestinationUnreachable, .code = kIcmpCodeFragmentationNeeded, .rest_low = 1400});
        b.ipv4({.source = kVip, .destination = kClient}).udp(53, 40000);
    });
}

// The outcome of reading a frame all the way down.
std::string outcome(const Frame& frame) {
    const auto view = parse_transport(frame);
    if (!view) return std::string(name(view.error()));
    if (view->tcp != nullptr) return "tcp";
    if (view->udp != nullptr) return "udp";
    return "other";
}

Frame first_bytes(const Frame& frame, std::size_t count) {
    // A copy of exactly this size: one byte read too many is then seen by the address sanitizer.
    return {frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(count)};
}

Frame with_byte(Frame frame, std::size_t at, std::uint8_t value) {
    frame.at(at) = value;
    return frame;
}

std::string print(const Frame& frame) {
    std::array<char, kPrintedFrameSize> text;
    return std::string(print_frame(frame, text));
}

}  // namespace

TEST_CASE("a TCP segment is read down to its payload") {
    const Frame frame = tcp_frame();
    const auto view = parse_transport(frame);
    REQUIRE(view);
    REQUIRE(view->tcp != nullptr);
    CHECK(view->udp == nullptr);
    CHECK(view->ethernet.tags == 0);
    CHECK(view->ipv4.options.size() == 4);
    CHECK(view->flow == FlowKey{kClient, kVip, 40000, 80, 6});
    CHECK(view->tcp->sequence.host() == 7);
    CHECK(Frame(view->tcp_options.begin(), view->tcp_options.end()) == Frame(kTcpOptions.begin(), kTcpOptions.end()));
    CHECK(Frame(view->payload.begin(), view->payload.end()) == Frame(kPayload.begin(), kPayload.end()));
    CHECK(verify_ipv4_checksum(view->ipv4));
}

TEST_CASE("a tagged, padded UDP datagram is read without its padding") {
    const auto frame = udp_frame();
    const auto view = parse_transport(frame);
    REQUIRE(view);
    REQUIRE(view->udp != nullptr);
    CHECK(view->ethernet.tags == 1);
    CHECK(view->ethernet.ether_type == kEtherTypeIpv4);
    CHECK(view->flow == FlowKey{kClient, kVip, 40000, 53, 17});
    CHECK(view->payload.size() == kPayload.size());
}

TEST_CASE("frames that are no whole segment or datagram have neither") {
    CHECK(outcome(arp_frame()) == "other");
    CHECK(outcome(icmp_frame()) == "other");
    // A fragment's first bytes are not trusted to be a TCP header, and later ones have none.
    CHECK(outcome(with_byte(tcp_frame(), 20, 0x20)) == "other");
    CHECK(outcome(with_byte(tcp_frame(), 21, 0x01)) == "other");
}

TEST_CASE("a TCP frame cut anywhere gives the error of the layer that is cut") {
    const Frame frame = tcp_frame();  // 14 Ethernet, 24 IPv4, 24 TCP, 5 payload
    REQUIRE(frame.size() == 67);
    for (std::size_t size = 0; size < frame.size(); ++size) {
        INFO("first " << size << " bytes");
        const std::string expected = size < 14        ? "ethernet_truncated"
                                     : size < 14 + 20 ? "ipv4_truncated"
                                     : size < 14 + 24 ? "ipv4_header_length"
                                                      : "ipv4_total_length";
        CHECK(outcome(first_bytes(frame, size)) == expected);
    }
}

TEST_CASE("a datagram cut inside its padding is whole") {
    const Frame frame = udp_frame();
    for (std::size_t cut = 0; cut <= 9; ++cut)
        CHECK(outcome(first_bytes(frame, frame.size() - cut)) == "udp");
    CHECK(outcome(first_bytes(frame, frame.size() - 10)) == "ipv4_total_length");
    CHECK(outcome(first_bytes(frame, 15)) == "vlan_truncated");
    CHECK(outcome(first_bytes(frame, 17)) == "vlan_truncated");
    CHECK(outcome(first_bytes(frame, 18)) == "ipv4_truncated");
}

TEST_CASE("segments cut anywhere give an error or lie inside their bytes") {
    const Frame frame = tcp_frame();
    const Bytes segment = Bytes(frame).subspan(38);
    for (std::size_t size = 0; size <= segment.size(); ++size) {
        const Frame part(segment.begin(), segment.begin() + static_cast<std::ptrdiff_t>(size));
        const auto tcp = parse_tcp(part);
        INFO("first " << size << " bytes");
        if (size < 20) {
            REQUIRE_FALSE(tcp);
            CHECK(tcp.error() == ParseError::tcp_truncated);
        } else if (size < 24) {
            REQUIRE_FALSE(tcp);
            CHECK(tcp.error() == ParseError::tcp_data_offset);
        } else {
            REQUIRE(tcp);
            CHECK(tcp->payload.size() == size - 24);
        }
    }
}

TEST_CASE("datagrams, messages and ARP packets cut anywhere give their errors") {
    const Frame udp = udp_frame();
    const Bytes datagram = Bytes(udp).subspan(14 + 4 + 24);
    for (std::size_t size = 0; size < 13; ++size) {
        const Frame part(datagram.begin(), datagram.begin() + static_cast<std::ptrdiff_t>(size));
        const auto view = parse_udp(part);
        REQUIRE_FALSE(view);
        CHECK(view.error() == (size < 8 ? ParseError::udp_truncated : ParseError::udp_length));
    }
    const Frame icmp(8, 0);
    const Frame arp = arp_frame();
    for (std::size_t size = 0; size < 8; ++size)
        CHECK(parse_icmp(first_bytes(icmp, size)).error() == ParseError::icmp_truncated);
    CHECK(parse_icmp(icmp).has_value());
    for (std::size_t size = 0; size < 28; ++size) {
        const Frame part(arp.begin() + 14, arp.begin() + 14 + static_cast<std::ptrdiff_t>(size));
        const auto view = parse_arp(part);
        REQUIRE_FALSE(view);
        CHECK(view.error() == ParseError::arp_truncated);
    }
}

TEST_CASE("every lie in a header is named") {
    const Frame tcp = tcp_frame();
    CHECK(outcome(with_byte(tcp, 14, 0x66)) == "ipv4_version");
    CHECK(outcome(with_byte(tcp, 14, 0x44)) == "ipv4_header_length");
    CHECK(outcome(with_byte(tcp, 17, 23)) == "ipv4_total_length");   // below the header
    CHECK(outcome(with_byte(tcp, 17, 54)) == "ipv4_total_length");   // one byte beyond the frame
    CHECK(outcome(with_byte(tcp, 17, 53 - 10)) == "tcp_truncated");  // total_length leaves 19 bytes
    CHECK(outcome(with_byte(tcp, 38 + 12, 0x40)) == "tcp_data_offset");
    CHECK(outcome(with_byte(tcp, 38 + 12, 0x80)) == "tcp_data_offset");
    const Frame udp = udp_frame();
    CHECK(outcome(with_byte(udp, 42 + 5, 7)) == "udp_length");
    CHECK(outcome(with_byte(udp, 42 + 5, 14)) == "udp_length");
    CHECK(outcome(with_byte(udp, 14 + 4 + 3, 24 + 7)) == "udp_truncated");
    for (const std::size_t at : {14U, 16U, 18U, 19U}) {
        const Frame arp = with_byte(arp_frame(), at, 0x77);
        const auto view = parse_arp(Bytes(arp).subspan(14));
        REQUIRE_FALSE(view);
        CHECK(view.error() == ParseError::arp_format);
    }
}

TEST_CASE("two tags are read, three are too many") {
    for (const std::size_t tags : {0U, 1U, 2U}) {
        const Frame frame = build([&](FrameBuilder& b) {
            b.ethernet(kServerMac, kClientMac);
            for (std::size_t i = 0; i < tags; ++i)
                b.vlan(static_cast<std::uint16_t>(100 + i));
            b.ipv4(ip_fields()).udp(1, 2);
        });
        const auto view = parse_ethernet(frame);
        REQUIRE(view);
        CHECK(view->tags == tags);
        CHECK(view->ether_type == kEtherTypeIpv4);
        CHECK(outcome(frame) == "udp");
    }
    const Frame three = build([](FrameBuilder& b) {
        b.ethernet(kServerMac, kClientMac).vlan(1).vlan(2).vlan(3).ipv4(ip_fields()).udp(1, 2);
    });
    CHECK(outcome(three) == "vlan_too_deep");
}

TEST_CASE("a quoted packet may promise more than is there, a packet may not") {
    const Frame frame = tcp_frame();
    const Bytes quote = Bytes(frame).subspan(14, 24 + 8);
    CHECK(parse_ipv4(quote).error() == ParseError::ipv4_total_length);
    const auto quoted = parse_quoted_ipv4(quote);
    REQUIRE(quoted);
    CHECK(quoted->payload.size() == 8);
    for (std::size_t size = 0; size < 24; ++size)
        CHECK_FALSE(parse_quoted_ipv4(quote.first(size)));
}

TEST_CASE("every parse error has a name of its own") {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < kParseErrorCount; ++i)
        names.emplace_back(name(static_cast<ParseError>(i)));
    for (const auto& one : names) {
        CHECK(one != "unknown");
        CHECK(std::ranges::count(names, one) == 1);
    }
    CHECK(name(static_cast<ParseError>(kParseErrorCount)) == "unknown");
}

TEST_CASE("a frame is printed on one line") {
    CHECK(print(tcp_frame()) ==
          "02:00:00:00:00:01 > 02:00:00:00:00:02 length 67 198.51.100.1:40000 > 203.0.113.10:80: tcp flags [S] seq 7 "
          "payload 5");
    CHECK(print(udp_frame()) ==
          "02:00:00:00:00:01 > 02:00:00:00:00:02 vlan 7 length 64 198.51.100.1:40000 > 203.0.113.10:53: udp payload 5");
    CHECK(print(arp_frame()) ==
          "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff length 42 arp who-has 203.0.113.10 tell 198.51.100.1");
    CHECK(print(icmp_frame()) ==
          "02:00:00:00:00:01 > 02:00:00:00:00:02 length 70 198.51.100.1 > 203.0.113.10: icmp type 3 code 4 mtu 1400");
    const Frame ipip = build([](FrameBuilder& b) {
        b.ethernet(kServerMac, kClientMac).ipv4({.source = kVip, .destination = kVip}).ipv4(ip_fields()).udp(1, 2);
    });
    CHECK(print(ipip) ==
          "02:00:00:00:00:01 > 02:00:00:00:00:02 length 66 203.0.113.10 > 203.0.113.10: ipip | "
          "198.51.100.1:1 > 203.0.113.10:2: udp payload 0");
}

TEST_CASE("a malformed frame's line says what is wrong") {
    CHECK(print({}) == "ethernet [malformed: ethernet_truncated]");
    CHECK(print(first_bytes(tcp_frame(), 20)).ends_with(" length 20 ipv4 [malformed: ipv4_truncated]"));
    CHECK(print(first_bytes(arp_frame(), 41)).ends_with(" length 41 arp [malformed: arp_truncated]"));
    // The changed TTL no longer suits the checksum.
    CHECK(print(with_byte(tcp_frame(), 22, 9)).ends_with(" payload 5 [malformed: ipv4_checksum]"));
}

TEST_CASE("a line that does not fit is cut at the end of the caller's space") {
    const std::string whole = print(tcp_frame());
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        std::vector<char> text(size);
        CHECK(std::string(print_frame(tcp_frame(), text)) == whole.substr(0, size));
    }
}
