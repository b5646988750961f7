#include "lb/dataplane/cutter.hpp"

#include <catch2/catch.hpp>

#include "lb/dataplane/layer3.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

TEST_CASE("segments carry all bytes once, in order, each with right lengths, flags, IDs and checksums") {
    auto frame = tcp_frame(9, wire::kTcpPsh | wire::kTcpFin | wire::kTcpAck | wire::kTcpCwr, 5001);
    auto& ip = wire::header_at<wire::Ipv4Header>(frame->bytes(), 14);
    ip.id = wire::be16(0xffff);  // wraps within the frame
    for (std::size_t i = 0; i < 5001; ++i)
        frame->bytes()[54 + i] = static_cast<std::uint8_t>(i * 7);

    Packet packet = frame->packet();
    packet.cut = Cut::segments;
    packet.piece_payload = 1460;
    Cutter cutter(packet);
    std::vector<std::uint8_t> scratch(1514);
    std::vector<std::uint8_t> collected;
    std::size_t index = 0;
    while (!cutter.done()) {
        const wire::Bytes segment = cutter.next(scratch);
        REQUIRE_FALSE(segment.empty());
        const auto view = wire::parse_transport(segment).value();
        const bool last = cutter.done();
        CHECK(view.payload.size() == (last ? 5001 - 3 * 1460U : 1460U));
        CHECK(wire::verify_ipv4_checksum(view.ipv4));
        CHECK(transport_valid(segment));
        CHECK(view.tcp->sequence.host() == 1000 + collected.size());
        CHECK(view.ipv4.header->id.host() == static_cast<std::uint16_t>(0xffff + index));
        CHECK(((view.tcp->flags & wire::kTcpPsh) != 0) == last);
        CHECK(((view.tcp->flags & wire::kTcpFin) != 0) == last);
        CHECK(((view.tcp->flags & wire::kTcpCwr) != 0) == (index == 0));
        collected.insert(collected.end(), view.payload.begin(), view.payload.end());
        ++index;
    }
    CHECK(index == 4);
    CHECK(collected == std::vector<std::uint8_t>(frame->bytes().begin() + 54, frame->bytes().end()));
}

TEST_CASE("a cutter refuses scratch that is too small and segments of what is no TCP") {
    auto tcp = tcp_frame(9, wire::kTcpAck, 5000);
    Packet packet = tcp->packet();
    packet.cut = Cut::segments;
    packet.piece_payload = 1460;
    std::vector<std::uint8_t> scratch(1513);
    CHECK(Cutter(packet).next(scratch).empty());
    auto udp = udp_frame(9, 100);
    packet.data = udp->buffer.data();
    packet.length = static_cast<std::uint32_t>(udp->length);
    CHECK(Cutter(packet).done());
}

namespace {

// Cuts the packet of an untagged frame; `outer_length` 20: encapsulates it first.
std::vector<std::vector<std::uint8_t>> pieces_of(Frame& frame, Cut cut, std::uint16_t piece_payload, bool layer3,
                                                 std::uint16_t outer_id = 500) {
    Packet packet = frame.packet();
    packet.cut = cut;
    packet.piece_payload = piece_payload;
    if (layer3) encapsulate(packet, OuterHeader::between(ip("10.0.0.2"), kServer1), ip_of(frame), outer_id);
    Cutter cutter(packet);
    std::vector<std::uint8_t> scratch(1600);
    std::vector<std::vector<std::uint8_t>> pieces;
    while (!cutter.done()) {
        const wire::Bytes piece = cutter.next(scratch);
        REQUIRE_FALSE(piece.empty());
        pieces.emplace_back(piece.begin(), piece.end());
    }
    return pieces;
}
wire::Ipv4View ip_at(const std::vector<std::uint8_t>& frame, std::size_t offset) {
    const auto view = wire::parse_ipv4(wire::Bytes(frame).subspan(offset)).value();
    CHECK(wire::verify_ipv4_checksum(view));
    CHECK(view.header->total_length.host() == frame.size() - offset);
    return view;
}

}  // namespace

TEST_CASE("fragments carry all bytes once, at their offsets, the last alone without more-fragments") {
    auto frame = udp_frame(9, 3000);
    clear_dont_fragment(*frame, 1234);
    const auto pieces = pieces_of(*frame, Cut::fragments, 1480, false);
    REQUIRE(pieces.size() == 3);
    std::vector<std::uint8_t> payload;
    for (const auto& piece : pieces) {
        const auto view = ip_at(piece, 14);
        CHECK(view.header->fragment_offset() == payload.size());
        CHECK(view.header->more_fragments() == (&piece != &pieces.back()));
        CHECK_FALSE(view.header->dont_fragment());
        CHECK(view.header->id.host() == 1234);
        CHECK(view.header->ttl == 64);
        payload.insert(payload.end(), view.payload.begin(), view.payload.end());
    }
    CHECK(payload == std::vector<std::uint8_t>(frame->bytes().begin() + 34, frame->bytes().end()));
}

TEST_CASE("a fragment that is cut again keeps its offset, and its last piece says what it said itself") {
    for (const bool more : {true, false}) {
        auto frame = frame_of([&](wire::FrameBuilder& builder) {
            builder
                .ipv4({.source = kClient,
                       .destination = kVip,
                       .dont_fragment = false,
                       .more_fragments = more,
                       .fragment_offset = 2960,
                       .protocol = 17})
                .payload(std::vector<std::uint8_t>(1480, 3));
        });
        const auto pieces = pieces_of(*frame, Cut::fragments, 1456, true);
        REQUIRE(pieces.size() == 2);
        CHECK(ip_at(pieces[0], 34).header->fragment_offset() == 2960);
        CHECK(ip_at(pieces[0], 34).header->more_fragments());
        CHECK(ip_at(pieces[1], 34).header->fragment_offset() == 2960 + 1456);
        CHECK(ip_at(pieces[1], 34).header->more_fragments() == more);
    }
}

TEST_CASE("options without the copy bit are in the first fragment only, the others in all (RFC 791 section 3.1)") {
    // Timestamp (not copied), no-operation, router alert (copied), end.
    const std::array<std::uint8_t, 12> options{0x44, 4, 5, 0, 1, 0x94, 4, 0, 0, 0, 0, 0};
    auto frame = frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kClient, .destination = kVip, .dont_fragment = false, .options = options})
            .udp(1, 53)
            .payload(std::vector<std::uint8_t>(2000));
    });
    const auto pieces = pieces_of(*frame, Cut::fragments, 1000, false);
    REQUIRE(pieces.size() == 3);
    const auto options_at = [&](std::size_t i) {
        const auto view = ip_at(pieces[i], 14);
        return std::vector<std::uint8_t>(view.options.begin(), view.options.end());
    };
    CHECK(options_at(0) == std::vector<std::uint8_t>(options.begin(), options.end()));
    const std::vector<std::uint8_t> copied{1, 1, 1, 1, 1, 0x94, 4, 0, 0, 0, 0, 0};
    CHECK(options_at(1) == copied);
    CHECK(options_at(2) == copied);
}

TEST_CASE("options that lie about their length do not lead beyond the header") {
    const std::array<std::array<std::uint8_t, 4>, 4> all{{{7, 0, 0, 0}, {7, 1, 0, 0}, {7, 5, 0, 0}, {1, 1, 1, 7}}};
    for (const auto& options : all) {
        auto frame = frame_of([&](wire::FrameBuilder& builder) {
            builder.ipv4({.source = kClient, .destination = kVip, .dont_fragment = false, .options = options})
                .udp(1, 53)
                .payload(std::vector<std::uint8_t>(2000));
        });
        for (const auto& piece : pieces_of(*frame, Cut::fragments, 1000, false)) {
            const auto view = ip_at(piece, 14);
            CHECK(std::ranges::equal(view.options, options));
        }
    }
}

TEST_CASE(
    "each encapsulated segment or fragment has an outer header of its own, with IDs that differ where DF is clear") {
    for (const bool dont_fragment : {true, false})
        for (const Cut cut : {Cut::segments, Cut::fragments}) {
            if (cut == Cut::fragments && dont_fragment) continue;
            auto frame = tcp_frame(9, wire::kTcpAck, 5000);
            if (!dont_fragment) clear_dont_fragment(*frame);
            std::vector<std::uint16_t> ids;
            std::vector<std::uint8_t> payload;
            const auto pieces = pieces_of(*frame, cut, 1440, true, 65535);
            REQUIRE(pieces.size() == 4);
            for (const auto& piece : pieces) {
                const auto outer = ip_at(piece, 14);
                CHECK(outer.header->source == ip("10.0.0.2"));
                CHECK(outer.header->destination == kServer1);
                CHECK(outer.header->protocol == 4);
                CHECK(outer.header->ttl == 64);
                CHECK(outer.header->flags_and_offset.host() == (dont_fragment ? 0x4000 : 0));
                ids.push_back(outer.header->id.host());
                const auto inner = ip_at(piece, 34);
                payload.insert(payload.end(), inner.payload.begin() + (cut == Cut::segments ? 20 : 0),
                               inner.payload.end());
            }
            const std::vector<std::uint16_t> expected =
                dont_fragment ? std::vector<std::uint16_t>{0, 0, 0, 0} : std::vector<std::uint16_t>{65535, 0, 1, 2};
            CHECK(ids == expected);
            const auto start = frame->bytes().begin() + (cut == Cut::segments ? 54 : 34);
            CHECK(payload == std::vector<std::uint8_t>(start, frame->bytes().end()));
        }
}

TEST_CASE("pieces keep VLAN tags and leave Ethernet padding behind") {
    auto frame = frame_of([](wire::FrameBuilder& builder) {
        builder.vlan(42)
            .ipv4({.source = kClient, .destination = kVip, .dont_fragment = false})
            .udp(1, 53)
            .payload(std::vector<std::uint8_t>(1992, 9))
            .padding(7);
    });
    const auto pieces = pieces_of(*frame, Cut::fragments, 1000, false);
    REQUIRE(pieces.size() == 2);
    for (const auto& piece : pieces) {
        CHECK(piece[15] == 42);
        CHECK(ip_at(piece, 18).payload.size() == 1000);
    }
}

TEST_CASE(
    "the room for a piece: what the headers leave of the MTU, for fragments in units of 8, 0 when there is none") {
    auto frame = tcp_frame(1);
    const auto view = wire::parse_transport(frame->bytes())->ipv4;
    CHECK(segment_payload(view, 20, 1500) == 1460);
    CHECK(segment_payload(view, 20, 41) == 1);
    CHECK(segment_payload(view, 20, 40) == 0);
    CHECK(segment_payload(view, 20, 10) == 0);
    CHECK(fragment_payload(view, 1500) == 1480);
    CHECK(fragment_payload(view, 1499) == 1472);
    CHECK(fragment_payload(view, 28) == 8);
    CHECK(fragment_payload(view, 27) == 0);
}

TEST_CASE("what is not marked to be cut, or has no room for a piece, gives no pieces") {
    auto frame = udp_frame(9, 3000);
    Packet packet = frame->packet();
    packet.piece_payload = 1000;
    CHECK(Cutter(packet).done());
    packet.cut = Cut::fragments;
    CHECK_FALSE(Cutter(packet).done());
    packet.piece_payload = 0;
    CHECK(Cutter(packet).done());
}
