#include "lb/dataplane/icmp.hpp"

#include <catch2/catch.hpp>

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/choose_server.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

const wire::Ipv4Address kRouter = ip("10.0.0.1");

// What a server sent from the VIP and a router quotes: IPv4 header and 8 bytes of payload unless told otherwise.
std::vector<std::uint8_t> quote(std::uint16_t client_port, std::uint8_t protocol = 6, std::uint16_t service_port = 80,
                                std::size_t payload = 8, wire::Bytes options = {}) {
    auto frame = frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kVip, .destination = kClient, .options = options, .protocol = protocol});
        const std::array<std::uint8_t, 64> bytes{
            static_cast<std::uint8_t>(service_port >> 8U), static_cast<std::uint8_t>(service_port),
            static_cast<std::uint8_t>(client_port >> 8U), static_cast<std::uint8_t>(client_port)};
        builder.payload(wire::Bytes(bytes).first(payload));
    });
    return ip_packet(frame->bytes());
}

std::unique_ptr<Frame> icmp_frame(const wire::IcmpFields& icmp, wire::Bytes payload,
                                  const wire::Ipv4Fields& fields = {.source = kRouter, .destination = kVip}) {
    return frame_of([&](wire::FrameBuilder& builder) { builder.ipv4(fields).icmp(icmp).payload(payload); });
}
std::unique_ptr<Frame> error_frame(wire::Bytes quoted, std::uint8_t type = 3, std::uint8_t code = 4) {
    return icmp_frame({.type = type, .code = code}, quoted);
}
std::unique_ptr<Frame> ping(std::uint16_t identifier = 77,
                            const wire::Ipv4Fields& fields = {.source = kClient, .destination = kVip}) {
    const std::array<std::uint8_t, 5> data{1, 2, 3, 4, 5};
    return icmp_frame({.type = 8, .code = 0, .rest_high = identifier, .rest_low = 3}, data, fields);
}

struct Reply {
    wire::EthernetHeader ethernet;
    wire::Ipv4Header ip;
    wire::IcmpHeader icmp;
    std::vector<std::uint8_t> payload;
};
// An answer with both checksums right.
Reply reply_of(const Packet& packet) {
    REQUIRE(packet.verdict == Verdict::answered);
    const auto ethernet = wire::parse_ethernet(packet.bytes()).value();
    const auto ip = wire::parse_ipv4(ethernet.payload).value();
    CHECK(wire::verify_ipv4_checksum(ip));
    CHECK(wire::checksum_valid(ip.payload));
    const auto icmp = wire::parse_icmp(ip.payload).value();
    return {*ethernet.header, *ip.header, *icmp.header, {icmp.payload.begin(), icmp.payload.end()}};
}

config::Config forwarding_echo() {
    auto config = two_server_config();
    for (auto& service : config.virtual_services)
        service.icmp_echo = config::IcmpEcho::forward;
    return config;
}

}  // namespace

// --- errors about flows ---

TEST_CASE("an ICMP error of types 3, 11 and 12 goes to the server of the flow that it quotes, for TCP and UDP") {
    for (const auto type : std::initializer_list<std::uint8_t>{3, 11, 12})
        for (std::uint16_t port = 1000; port < 1020; ++port) {
            Core core;
            auto tcp = tcp_frame(port, wire::kTcpAck);
            auto udp = udp_frame(port);
            const Packet tcp_packet = core.run(*tcp);
            const Packet udp_packet = core.run(*udp);
            auto error = error_frame(quote(port), type);
            const auto before = ip_packet(error->bytes());
            const Packet packet = core.run(*error);
            REQUIRE(packet.verdict == Verdict::forwarded);
            REQUIRE(packet.server == tcp_packet.server);
            REQUIRE(packet.service == tcp_packet.service);
            REQUIRE(ip_packet(packet.bytes()) == before);
            error = error_frame(quote(port, 17, 53), type);
            REQUIRE(core.run(*error).server == udp_packet.server);
        }
}

TEST_CASE("an ICMP error follows the flow table, also where the ring has changed since") {
    auto config = two_server_config();
    config.pools[0].servers.pop_back();
    Core core(config);
    const Core both;
    std::uint16_t port = 1;  // a flow that the larger ring gives to the newcomer
    while (ring_server(both.table->services[0], ring::flow_hash({kClient, kVip, port, 80, 6})) != 1)
        ++port;
    auto frame = tcp_frame(port, wire::kTcpAck);
    REQUIRE(core.server_of(core.run(*frame)) == kServer1);
    core.rebuild(two_server_config());
    auto error = error_frame(quote(port));
    CHECK(core.server_of(core.run(*error)) == kServer1);
    SECTION("a flow that is not in the table goes by the ring, and is not remembered") {
        const std::uint64_t before = core.counters.new_flows.get();
        port = static_cast<std::uint16_t>(port + 1);
        error = error_frame(quote(port));
        CHECK(core.run(*error).server ==
              ring_server(both.table->services[0], ring::flow_hash({kClient, kVip, port, 80, 6})));
        CHECK(core.counters.new_flows.get() == before);
    }
}

TEST_CASE("an ICMP error does not keep a flow alive that is idle") {
    Core core;
    auto frame = udp_frame(5);
    core.run(*frame, 0);
    auto error = error_frame(quote(5, 17, 53));
    core.run(*error, 9);
    const auto hash = ring::flow_hash({kClient, kVip, 5, 53, 17});
    CHECK(core.state.flows.find(wire::FlowKey{kClient, kVip, 5, 53, 17}, core.table->services[1].vip_id, hash, 11) ==
          nullptr);
}

TEST_CASE("IP options in the quoted packet are skipped") {
    Core core;
    auto frame = tcp_frame(1000, wire::kTcpAck);
    const Packet flow = core.run(*frame);
    const std::array<std::uint8_t, 40> options{1, 1, 1, 1};
    auto error = error_frame(quote(1000, 6, 80, 8, options));
    const Packet packet = core.run(*error);
    CHECK(packet.verdict == Verdict::forwarded);
    CHECK(packet.server == flow.server);
}

TEST_CASE("8 quoted bytes of payload are enough, 7 are not") {
    Core core;
    auto enough = error_frame(quote(1, 6, 80, 8));
    CHECK(core.run(*enough).verdict == Verdict::forwarded);
    auto too_few = error_frame(quote(1, 6, 80, 7));
    CHECK(core.run(*too_few).reason == Drop::icmp_unknown_flow);
}

TEST_CASE("an ICMP error that quotes no packet of a service is dropped as icmp_unknown_flow") {
    Core core;
    auto other_source = quote(1);
    other_source[12] ^= 1;
    auto later_fragment = quote(1);
    later_fragment[7] = 1;
    auto version6 = quote(1);
    version6[0] = 0x65;
    auto long_header = quote(1);
    long_header[0] = 0x4f;
    const std::vector<std::pair<const char*, std::vector<std::uint8_t>>> quotes{
        {"from the VIP, of a port that is not served", quote(1, 6, 81)},
        {"from the VIP, of a protocol without ports", quote(1, 1, 80)},
        {"not from the VIP", other_source},
        {"a later fragment, which has no ports", later_fragment},
        {"not version 4", version6},
        {"a header beyond the message", long_header},
        {"nothing", {}},
        {"half a header", {other_source.begin(), other_source.begin() + 10}},
    };
    for (const auto& [what, bytes] : quotes) {
        INFO(what);
        auto frame = error_frame(bytes);
        const Packet packet = core.run(*frame);
        CHECK(packet.verdict == Verdict::dropped);
        CHECK(packet.reason == Drop::icmp_unknown_flow);
    }
    CHECK(core.conserved());
}

TEST_CASE(
    "other ICMP messages are not_served, a fragment of an error is dropped as fragment, half a header as itself") {
    Core core;
    for (unsigned type = 0; type < 256; ++type) {
        if (type == 3 || type == 8 || type == 11 || type == 12) continue;
        auto frame = error_frame(quote(1), static_cast<std::uint8_t>(type));
        REQUIRE(core.run(*frame).reason == Drop::not_served);
    }
    auto code = error_frame(quote(1), 8, 1);
    CHECK(core.run(*code).reason == Drop::not_served);
    auto fragment =
        icmp_frame({.type = 3, .code = 4}, quote(1), {.source = kRouter, .destination = kVip, .more_fragments = true});
    CHECK(core.run(*fragment).reason == Drop::fragment);
    auto half = frame_of([](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kRouter, .destination = kVip, .protocol = 1})
            .payload(std::array<std::uint8_t, 7>{3, 4});
    });
    CHECK(core.run(*half).reason == Drop::icmp_truncated);
}

TEST_CASE("Layer 3: an ICMP error goes through the tunnel of the flow that it quotes") {
    Core core(layer3_config());
    auto error = error_frame(quote(1));
    const auto before = ip_packet(error->bytes());
    const Packet packet = core.run(*error);
    REQUIRE(packet.verdict == Verdict::forwarded);
    REQUIRE(packet.outer_length == 20);
    CHECK(std::equal(before.begin(), before.end(), packet.data + 34, packet.data + packet.length));
}

// --- echo ---

TEST_CASE("a ping of the VIP is answered from the VIP with the same identifier, number and data") {
    Core core;
    auto frame = ping();
    ip_of(*frame).ttl = 3;
    repair_checksum(*frame);
    const Packet packet = core.run(*frame);
    const Reply reply = reply_of(packet);
    CHECK(packet.answer == Answer::icmp_echo);
    CHECK(reply.ethernet.destination == kClientMac);
    CHECK(reply.ethernet.source == kLbMac);
    CHECK(reply.ip.source == kVip);
    CHECK(reply.ip.destination == kClient);
    CHECK(reply.ip.ttl == 64);
    CHECK(reply.icmp.type == 0);
    CHECK(reply.icmp.code == 0);
    CHECK(reply.icmp.rest_high.host() == 77);
    CHECK(reply.icmp.rest_low.host() == 3);
    CHECK(reply.payload == std::vector<std::uint8_t>{1, 2, 3, 4, 5});
    CHECK(core.counters.answers[static_cast<std::size_t>(Answer::icmp_echo)].get() == 1);
}

TEST_CASE("every ping has a right checksum in its answer, and a damaged one keeps its damage") {
    Core core;
    for (unsigned identifier = 0; identifier < 65536; identifier += 7) {
        auto frame = ping(static_cast<std::uint16_t>(identifier));
        const Packet packet = core.run(*frame);
        REQUIRE(wire::checksum_valid(wire::parse_ipv4(wire::parse_ethernet(packet.bytes())->payload)->payload));
    }
    auto damaged = ping();
    damaged->bytes()[damaged->length - 1] ^= 0x10;
    const Packet packet = core.run(*damaged);
    REQUIRE(packet.verdict == Verdict::answered);
    CHECK_FALSE(wire::checksum_valid(wire::parse_ipv4(wire::parse_ethernet(packet.bytes())->payload)->payload));
}

TEST_CASE("a ping is answered by the interface it came in by, also with two") {
    Core core(two_server_config(), two_arms());
    auto frame = ping();
    wire::header_at<wire::EthernetHeader>(frame->bytes()).destination = kLbServerSideMac;
    const Packet packet = core.run(*frame, 0, 1);
    CHECK(packet.egress == 1);
    CHECK(reply_of(packet).ethernet.source == kLbServerSideMac);
}

TEST_CASE("a VIP none of whose services has a server answers no ping: no_server") {
    for (const auto echo : {config::IcmpEcho::answer, config::IcmpEcho::forward}) {
        auto config = two_server_config();
        for (auto& server : config.pools[0].servers)
            server.state = config::ServerState::draining;
        for (auto& service : config.virtual_services)
            service.icmp_echo = echo;
        Core core(config);
        auto frame = ping();
        CHECK(core.run(*frame).reason == Drop::no_server);
        config.pools[0].servers[0].state = config::ServerState::enabled;
        core.rebuild(config);
        frame = ping();
        CHECK(core.run(*frame).leaves());
    }
}

TEST_CASE("lb answers no ping in fragments nor one with IP options") {
    Core core;
    auto fragment = ping(1, {.source = kClient, .destination = kVip, .dont_fragment = false, .more_fragments = true});
    CHECK(core.run(*fragment).reason == Drop::fragment);
    auto later = ping(1, {.source = kClient, .destination = kVip, .dont_fragment = false, .fragment_offset = 8});
    CHECK(core.run(*later).reason == Drop::fragment);
    const std::array<std::uint8_t, 4> options{0x83, 4, 4, 0};
    auto source_routed = ping(1, {.source = kClient, .destination = kVip, .options = options});
    CHECK(core.run(*source_routed).reason == Drop::not_served);
}

TEST_CASE("icmp_echo forward: pings go to servers untouched, one identifier always to the same, all servers get some") {
    Core core(forwarding_echo());
    std::array<int, 2> seen{};
    for (std::uint16_t identifier = 1; identifier <= 100; ++identifier) {
        auto frame = ping(identifier);
        const auto before = ip_packet(frame->bytes());
        const Packet packet = core.run(*frame);
        REQUIRE(packet.verdict == Verdict::forwarded);
        REQUIRE(ip_packet(packet.bytes()) == before);
        auto again = ping(identifier);
        REQUIRE(core.run(*again).server == packet.server);
        ++seen.at(packet.server);
    }
    CHECK(seen[0] > 10);
    CHECK(seen[1] > 10);
    CHECK(core.counters.new_flows.get() == 0);
}

TEST_CASE("icmp_echo forward: all fragments of a ping go to the server of the first") {
    Core core(forwarding_echo());
    auto whole = frame_of([](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kClient, .destination = kVip, .dont_fragment = false})
            .icmp({.type = 8, .code = 0, .rest_high = 5})
            .payload(std::vector<std::uint8_t>(3000, 1));
    });
    auto fragments = fragments_of(*whole, 1000);
    REQUIRE(fragments.size() == 4);
    const Packet first = core.run(*fragments[0]);
    REQUIRE(first.verdict == Verdict::forwarded);
    for (std::size_t i = 1; i < 4; ++i) {
        const Packet later = core.run(*fragments[i]);
        CHECK(later.verdict == Verdict::forwarded);
        CHECK(later.server == first.server);
    }
}

// --- fragmentation needed ---

TEST_CASE("a packet that does not fit and has DF set is answered from the VIP with the MTU that the server's way has") {
    struct Case {
        bool layer3;
        std::uint32_t mtu;
        std::uint16_t room;
    };
    for (const auto& [layer3, mtu, room] : {Case{false, 1400, 1400}, Case{true, 1400, 1380}, Case{true, 1500, 1480}}) {
        auto interfaces = two_arms();
        interfaces[1].mtu = mtu;
        Core core(layer3 ? layer3_config() : two_server_config(), interfaces);
        auto frame = udp_frame(1, 1472);
        const auto before = ip_packet(frame->bytes());
        const Packet packet = core.run(*frame);
        CHECK(packet.answer == Answer::fragmentation_needed);
        CHECK(packet.egress == 0);
        const Reply reply = reply_of(packet);
        CHECK(reply.ethernet.destination == kClientMac);
        CHECK(reply.ethernet.source == kLbMac);
        CHECK(reply.ip.source == kVip);
        CHECK(reply.ip.destination == kClient);
        CHECK(reply.ip.ttl == 64);
        CHECK(reply.icmp.type == 3);
        CHECK(reply.icmp.code == 4);
        CHECK(reply.icmp.rest_high.host() == 0);
        CHECK(reply.icmp.rest_low.host() == room);
        CHECK(reply.ip.total_length.host() == 576);
        CHECK(reply.payload == std::vector<std::uint8_t>(before.begin(), before.begin() + 548));
        CHECK(core.conserved());
    }
}

TEST_CASE("a fragmentation-needed answer stays in the VLAN of the packet") {
    Core core(layer3_config());
    auto frame = frame_of([](wire::FrameBuilder& builder) {
        builder.vlan(42)
            .ipv4({.source = kClient, .destination = kVip})
            .udp(1, 53)
            .payload(std::vector<std::uint8_t>(1460));
    });
    const Packet packet = core.run(*frame);
    REQUIRE(packet.answer == Answer::fragmentation_needed);
    CHECK(wire::parse_ethernet(packet.bytes())->tags == 1);
    CHECK(wire::header_at<wire::VlanTag>(packet.bytes(), 14).control.host() == 42);
    CHECK(reply_of(packet).icmp.rest_low.host() == 1480);
}

TEST_CASE("at most 1000 fragmentation-needed answers leave in a second, the others are dropped as exceeds_mtu") {
    Core core(layer3_config());
    for (const auto now : std::initializer_list<FlowTime>{5, 6}) {
        int answered = 0;
        for (int i = 0; i < 1100; ++i) {
            auto frame = udp_frame(1, 1472);
            answered += core.run(*frame, now).verdict == Verdict::answered ? 1 : 0;
        }
        CHECK(answered == 1000);
    }
    CHECK(core.dropped(Drop::exceeds_mtu) == 200);
    CHECK(core.conserved());
}

TEST_CASE("no ICMP error is sent about a later fragment, an ICMP error or to what is no host: exceeds_mtu") {
    Core core(layer3_config());
    const std::vector<std::uint8_t> bytes(1472, 1);
    auto first = frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kClient, .destination = kVip, .id = 9, .more_fragments = true})
            .udp(1, 53)
            .payload(wire::Bytes(bytes).first(8));
    });
    REQUIRE(core.run(*first).verdict == Verdict::forwarded);
    auto later = frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kClient, .destination = kVip, .id = 9, .fragment_offset = 16, .protocol = 17})
            .payload(bytes);
    });
    CHECK(core.run(*later).reason == Drop::exceeds_mtu);

    auto long_quote = quote(1);
    long_quote.resize(1472);
    auto error = error_frame(long_quote);
    CHECK(core.run(*error).reason == Drop::exceeds_mtu);

    for (const char* source : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"}) {
        auto frame = frame_of([&](wire::FrameBuilder& builder) {
            builder.ipv4({.source = ip(source), .destination = kVip}).udp(1, 53).payload(bytes);
        });
        INFO(source);
        CHECK(core.run(*frame).reason == Drop::exceeds_mtu);
    }
}

TEST_CASE("packets about which no ICMP error may be sent take none from those about which one may") {
    Core core(layer3_config());
    for (int i = 0; i < 1001; ++i) {
        auto frame = frame_of([&](wire::FrameBuilder& builder) {
            builder.ipv4({.source = ip("127.0.0.1"), .destination = kVip})
                .udp(1, 53)
                .payload(std::vector<std::uint8_t>(1472));
        });
        core.run(*frame);
    }
    auto frame = udp_frame(1, 1472);
    CHECK(core.run(*frame).verdict == Verdict::answered);
}

TEST_CASE("a ping that goes to a server and is too large is answered too, for it is no error") {
    auto config = forwarding_echo();
    for (auto& profile : config.network_profiles)
        profile.dsr_type = config::DsrType::l3;
    Core core(config);
    auto frame = frame_of([](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kClient, .destination = kVip})
            .icmp({.type = 8, .code = 0})
            .payload(std::vector<std::uint8_t>(1472));
    });
    CHECK(core.run(*frame).answer == Answer::fragmentation_needed);
}

TEST_CASE("lb answers pings of its own address where no kernel does, and only then") {
    const wire::Ipv4Fields to_lb{.source = kClient, .destination = ip("10.0.0.2")};
    auto interfaces = one_arm();
    for (const bool alone : {true, false}) {
        interfaces[0].alone = alone;
        Core core(two_server_config(), interfaces);
        const auto frame = ping(77, to_lb);
        const Packet packet = core.run(*frame);
        if (alone) {
            const Reply reply = reply_of(packet);
            CHECK(reply.ip.source == ip("10.0.0.2"));
            CHECK(reply.ip.destination == kClient);
            CHECK(reply.icmp.type == 0);
        } else {
            CHECK(packet.verdict == Verdict::passed);
        }
    }
}

TEST_CASE("a ping of lb's own address that is damaged, fragmented or of another type is left alone") {
    auto interfaces = one_arm();
    interfaces[0].alone = true;
    Core core(two_server_config(), interfaces);
    const wire::Ipv4Fields to_lb{.source = kClient, .destination = ip("10.0.0.2")};
    const auto damaged = ping(77, to_lb);
    ip_of(*damaged).ttl ^= 1U;
    CHECK(core.run(*damaged).verdict == Verdict::passed);
    const auto whole = ping(77, to_lb);
    for (const auto& fragment : fragments_of(*whole, 8))
        CHECK(core.run(*fragment).verdict == Verdict::passed);
    const auto reply = icmp_frame({.type = 0, .code = 0}, {}, to_lb);
    CHECK(core.run(*reply).verdict == Verdict::passed);
}
