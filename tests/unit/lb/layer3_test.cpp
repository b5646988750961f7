#include "lb/dataplane/layer3.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/choose_server.hpp"
#include "lb/dataplane/cutter.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

const wire::MacAddress kRouterMac = mac("02:00:00:00:01:01");
const wire::Ipv4Address kRouter = ip("10.0.0.1");
const wire::Ipv4Address kFarServer = ip("172.16.0.11");

const wire::Ipv4Header& outer_of(const Packet& packet) {
    REQUIRE(packet.outer_length == 20);
    return wire::header_at<wire::Ipv4Header>(wire::parse_ethernet(packet.bytes())->payload);
}
std::vector<std::uint8_t> inner_of(const Packet& packet) {
    const auto payload = wire::parse_ethernet(packet.bytes())->payload;
    return {payload.begin() + 20, payload.end()};
}
bool valid(const wire::Ipv4Header& header) {
    return wire::checksum_valid({reinterpret_cast<const std::uint8_t*>(&header), sizeof header});
}

std::unique_ptr<Frame> packet_with(std::uint8_t tos, bool dont_fragment, std::uint16_t id, std::uint16_t port = 40000) {
    return frame_of([&](wire::FrameBuilder& frame) {
        frame
            .ipv4({.source = kClient,
                   .destination = kVip,
                   .ttl = 9,
                   .tos = tos,
                   .id = id,
                   .dont_fragment = dont_fragment})
            .udp(port, 53);
    });
}

// One server, behind a router, reached by Layer 3 through the only interface.
Core far_core() {
    auto config = layer3_config();
    config.pools[0].servers.resize(1);
    config.pools[0].servers[0].address = kFarServer;
    return Core(config, one_arm(), {{kRouter, kRouterMac}}, kRouter);
}

}  // namespace

TEST_CASE("Layer 3: the client's packet is whole behind an outer header from the interface's address to the server") {
    Core core(layer3_config());
    auto frame = tcp_frame(40000, wire::kTcpAck, 100);
    const auto before = ip_packet(frame->bytes());
    const Packet packet = core.run(*frame);
    REQUIRE(packet.verdict == Verdict::forwarded);
    const auto& outer = outer_of(packet);
    CHECK(outer.version_and_length == 0x45);
    CHECK(outer.total_length.host() == before.size() + 20);
    CHECK(outer.ttl == 64);
    CHECK(outer.protocol == 4);
    CHECK(outer.source == ip("10.0.0.2"));
    CHECK(outer.destination == core.server_of(packet));
    CHECK(valid(outer));
    CHECK(inner_of(packet) == before);
    const auto& ethernet = wire::header_at<wire::EthernetHeader>(packet.bytes());
    CHECK(ethernet.destination == (core.server_of(packet) == kServer1 ? kServer1Mac : kServer2Mac));
    CHECK(ethernet.source == kLbMac);
}

TEST_CASE("Layer 3: every TOS is copied, and the outer DF is the inner packet's, with ID 0 where it is set") {
    Core core(layer3_config());
    for (unsigned tos = 0; tos < 256; ++tos)
        for (const bool dont_fragment : {true, false}) {
            auto frame = packet_with(static_cast<std::uint8_t>(tos), dont_fragment, 0x4321);
            const Packet packet = core.run(*frame);
            const auto& outer = outer_of(packet);
            REQUIRE(outer.tos == tos);
            REQUIRE(outer.flags_and_offset.host() == (dont_fragment ? wire::kIpv4DontFragment : 0));
            REQUIRE(valid(outer));
            if (dont_fragment) REQUIRE(outer.id.host() == 0);
        }
}

TEST_CASE("Layer 3: where DF is clear, packets of one flow get different outer IDs") {
    Core core(layer3_config());
    std::set<std::uint16_t> ids;
    for (std::uint16_t id = 1; id <= 1000; ++id)
        ids.insert(outer_of(core.run(*packet_with(0, false, id))).id.host());
    CHECK(ids.size() == 1000);
}

TEST_CASE("Layer 3: the inner TTL is not touched, not even 1") {
    Core core(layer3_config());
    auto frame = packet_with(0, true, 0);
    ip_of(*frame).ttl = 1;
    repair_checksum(*frame);
    const auto before = ip_packet(frame->bytes());
    CHECK(inner_of(core.run(*frame)) == before);
}

TEST_CASE("Layer 3: Ethernet padding is not sent through the tunnel, IP options are") {
    Core core(layer3_config());
    const std::array<std::uint8_t, 4> router_alert{0x94, 4, 0, 0};
    auto frame = frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kClient, .destination = kVip, .options = router_alert}).udp(1, 53).padding(14);
    });
    const auto before = ip_packet(frame->bytes());
    REQUIRE(frame->length == 14 + before.size() + 14);
    const Packet packet = core.run(*frame);
    CHECK(packet.length == 14 + 20 + before.size());
    CHECK(inner_of(packet) == before);
}

TEST_CASE("Layer 3: one VLAN tag or two stay in front of the outer header") {
    for (const int tags : {1, 2}) {
        Core core(layer3_config());
        auto frame = frame_of([&](wire::FrameBuilder& builder) {
            for (int tag = 0; tag < tags; ++tag)
                builder.vlan(static_cast<std::uint16_t>(42 + tag));
            builder.ipv4({.source = kClient, .destination = kVip}).udp(1, 53);
        });
        const std::size_t link = 14 + 4 * static_cast<std::size_t>(tags);
        const std::vector<std::uint8_t> link_before(frame->bytes().begin() + 12,
                                                    frame->bytes().begin() + static_cast<std::ptrdiff_t>(link));
        const auto before = ip_packet(frame->bytes());
        const Packet packet = core.run(*frame);
        REQUIRE(packet.verdict == Verdict::forwarded);
        CHECK(std::vector<std::uint8_t>(packet.data + 12, packet.data + link) == link_before);
        CHECK(valid(outer_of(packet)));
        CHECK(inner_of(packet) == before);
        CHECK(wire::header_at<wire::EthernetHeader>(packet.bytes()).source == kLbMac);
    }
}

TEST_CASE("Layer 3: a server behind a router gets its packets through the router's MAC address") {
    Core core = far_core();
    auto frame = tcp_frame(1);
    const Packet packet = core.run(*frame);
    REQUIRE(packet.verdict == Verdict::forwarded);
    CHECK(wire::header_at<wire::EthernetHeader>(packet.bytes()).destination == kRouterMac);
    CHECK(outer_of(packet).destination == kFarServer);
}

TEST_CASE("Layer 3: a packet that the router of a far server brings is no bounced one, one from an on-link server is") {
    Core far = far_core();
    auto frame = tcp_frame(1);
    wire::header_at<wire::EthernetHeader>(frame->bytes()).source = kRouterMac;
    CHECK(far.run(*frame).verdict == Verdict::forwarded);

    Core near(layer3_config());
    auto first = tcp_frame(1);
    const ServerId server = near.run(*first).server;
    auto back = tcp_frame(1);
    wire::header_at<wire::EthernetHeader>(back->bytes()).source = near.table->servers[server].macs.destination;
    CHECK(near.run(*back).reason == Drop::bounced);
}

TEST_CASE("Layer 3: with two interfaces the outer source is the address of the one towards the server") {
    Core core(layer3_config(), two_arms());
    auto frame = tcp_frame(1);
    const Packet packet = core.run(*frame);
    REQUIRE(packet.verdict == Verdict::forwarded);
    CHECK(packet.egress == 1);
    CHECK(outer_of(packet).source == ip("10.0.0.2"));
    CHECK(wire::header_at<wire::EthernetHeader>(packet.bytes()).source == kLbServerSideMac);
}

TEST_CASE("outer_source: each flow keeps one address of the prefix, flows spread over all but its first and last") {
    auto config = layer3_config();
    for (auto& profile : config.network_profiles)
        profile.outer_source = wire::Ipv4Prefix{ip("192.168.77.0"), 28};
    Core core(config);
    std::map<wire::Ipv4Address, int> seen;
    for (std::uint16_t port = 1; port <= 1400; ++port) {
        auto frame = tcp_frame(port);
        const Packet packet = core.run(*frame);
        const wire::Ipv4Address source = outer_of(packet).source;
        REQUIRE(valid(outer_of(packet)));
        REQUIRE(outer_of(packet).destination == core.server_of(packet));
        auto again = tcp_frame(port, wire::kTcpAck);
        REQUIRE(outer_of(core.run(*again)).source == source);
        ++seen[source];
    }
    CHECK(seen.size() == 14);
    CHECK(seen.begin()->first == ip("192.168.77.1"));
    CHECK(seen.rbegin()->first == ip("192.168.77.14"));
    for (const auto& [address, flows] : seen)
        CHECK(flows > 50);
}

TEST_CASE("outer_source stays within the prefix for every length and the extreme hashes") {
    for (std::uint8_t length = 8; length <= 30; ++length) {
        const wire::Ipv4Prefix prefix{ip("10.0.0.0"), length};
        const std::uint32_t last = prefix.network().host() | ~prefix.mask();
        CHECK(outer_source(prefix, 0).host() == prefix.network().host() + 1);
        CHECK(outer_source(prefix, 0xffffffffU).host() == last - 1);
        CHECK(outer_source(prefix, ~std::uint64_t{0}).host() == last - 1);
    }
}

TEST_CASE("Layer 3: 20 bytes less than the MTU is the largest packet that goes as it is") {
    Core core(layer3_config());
    auto fits = udp_frame(1, 1480 - 28);
    const Packet packet = core.run(*fits);
    CHECK(packet.verdict == Verdict::forwarded);
    CHECK(packet.cut == Cut::none);
    CHECK(packet.length == 14 + 1500);
    auto larger = udp_frame(1, 1481 - 28);
    CHECK(core.run(*larger).answer == Answer::fragmentation_needed);
}

TEST_CASE("Layer 3: TCP of full size with DF is answered, only what is larger than any packet of the link is cut") {
    Core core(layer3_config());
    auto full = tcp_frame(1, wire::kTcpAck, 1460);
    const Packet answered = core.run(*full);
    CHECK(answered.verdict == Verdict::answered);
    CHECK(answered.answer == Answer::fragmentation_needed);
    auto super = tcp_frame(1, wire::kTcpAck, 1461);
    const Packet cut = core.run(*super);
    CHECK(cut.verdict == Verdict::forwarded);
    CHECK(cut.cut == Cut::segments);
    CHECK(cut.piece_payload == 1440);
}

TEST_CASE("a TCP packet larger than the egress MTU only is taken for joined segments and cut") {
    auto interfaces = two_arms();
    interfaces[0].mtu = 9000;
    Core core(two_server_config(), interfaces);
    auto frame = tcp_frame(1, wire::kTcpAck, 3000);
    CHECK(core.run(*frame).cut == Cut::segments);
}

TEST_CASE("without software offloads nothing is taken for joined segments: DF is answered, no DF is fragmented") {
    auto interfaces = two_arms();
    interfaces[0].mtu = 9000;
    interfaces[0].software_offloads = interfaces[1].software_offloads = false;
    Core core(two_server_config(), interfaces);
    auto frame = tcp_frame(1, wire::kTcpAck, 3000);
    CHECK(core.run(*frame).answer == Answer::fragmentation_needed);
    frame = tcp_frame(1, wire::kTcpAck, 3000);
    clear_dont_fragment(*frame);
    CHECK(core.run(*frame).cut == Cut::fragments);
}

TEST_CASE("Layer 3: what is too large without DF leaves as fragments, each encapsulated whole") {
    Core core(layer3_config());
    auto frame = udp_frame(1, 1472);
    clear_dont_fragment(*frame, 99);
    const auto before = ip_packet(frame->bytes());
    const Packet packet = core.run(*frame);
    REQUIRE(packet.verdict == Verdict::forwarded);
    REQUIRE(packet.cut == Cut::fragments);
    CHECK(packet.piece_payload == 1456);  // 1480 - 20, rounded down to a multiple of 8
    Cutter cutter(packet);
    std::vector<std::uint8_t> scratch(1514);
    std::vector<std::uint8_t> payload;
    while (!cutter.done()) {
        const wire::Bytes piece = cutter.next(scratch);
        REQUIRE_FALSE(piece.empty());
        const auto outer = wire::parse_ipv4(wire::parse_ethernet(piece)->payload).value();
        CHECK(wire::verify_ipv4_checksum(outer));
        CHECK(outer.header->total_length.host() == piece.size() - 14);
        CHECK_FALSE(outer.header->is_fragment());
        CHECK(outer.header->protocol == 4);
        const auto inner = wire::parse_ipv4(outer.payload).value();
        CHECK(wire::verify_ipv4_checksum(inner));
        CHECK(inner.header->id.host() == 99);
        CHECK(inner.header->fragment_offset() == payload.size());
        CHECK(inner.header->more_fragments() == !cutter.done());
        payload.insert(payload.end(), inner.payload.begin(), inner.payload.end());
    }
    CHECK(payload == std::vector<std::uint8_t>(before.begin() + 20, before.end()));
}

TEST_CASE("Layer 3: an unfinished checksum is finished before the packet is wrapped or cut") {
    for (const std::size_t size : {100U, 1472U}) {
        Core core(layer3_config());
        auto frame = udp_frame(1, size);
        clear_dont_fragment(*frame);
        const auto finished = ip_packet(frame->bytes());
        const auto view = wire::parse_transport(frame->bytes()).value();
        wire::header_at<wire::be16>(frame->bytes(), 40) = wire::checksum_store(wire::checksum_fold(
            wire::pseudo_header_sum(kClient, kVip, 17, static_cast<std::uint16_t>(view.ipv4.payload.size()))));
        REQUIRE(ip_packet(frame->bytes()) != finished);
        const Packet packet = core.run(*frame);
        REQUIRE(packet.verdict == Verdict::forwarded);
        CHECK(inner_of(packet) == finished);
    }
}

TEST_CASE("on an interface without software offloads a checksum that looks unfinished is left alone") {
    auto interfaces = one_arm();
    interfaces[0].software_offloads = false;
    Core core(layer3_config(), interfaces);
    auto frame = udp_frame(1, 100);
    wire::header_at<wire::be16>(frame->bytes(), 40) =
        wire::checksum_store(wire::checksum_fold(wire::pseudo_header_sum(kClient, kVip, 17, 108)));
    const auto before = ip_packet(frame->bytes());
    CHECK(inner_of(core.run(*frame)) == before);
}
