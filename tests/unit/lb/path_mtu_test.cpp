#include "lb/dataplane/path_mtu.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

const wire::Ipv4Address kLbAddress = ip("10.0.0.2");
const wire::Ipv4Address kRouter = ip("10.0.0.1");
const wire::MacAddress kRouterMac = mac("02:00:00:00:00:01");

struct TunnelError {
    std::uint16_t mtu = 1300;
    std::size_t quoted = 1000;  // bytes of our own packet
    wire::Ipv4Address to = kLbAddress;
    std::uint8_t code = 4;
};

// A router's error about a packet that we have sent.
std::unique_ptr<Frame> error_about(const Packet& sent, const TunnelError& error) {
    auto ours = ip_packet(sent.bytes());
    ours.resize(std::min(ours.size(), error.quoted));
    auto frame = frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = kRouter, .destination = error.to})
            .icmp({.type = 3, .code = error.code, .rest_low = error.mtu})
            .payload(ours);
    });
    wire::header_at<wire::EthernetHeader>(frame->bytes()).source = kRouterMac;
    return frame;
}

std::unique_ptr<Frame> large(std::uint16_t port = 1) {
    return udp_frame(port, 1480 - 28);
}

// What a client is told when it sends a packet of 1480 bytes; 0: nothing, the packet goes as it is.
unsigned mtu_told(Core& core, FlowTime now = 0, std::uint16_t port = 1) {
    auto frame = large(port);
    const Packet packet = core.run(*frame, now);
    if (packet.verdict == Verdict::forwarded && packet.cut == Cut::none) return 0;
    REQUIRE(packet.answer == Answer::fragmentation_needed);
    return wire::parse_icmp(wire::parse_ipv4(wire::parse_ethernet(packet.bytes())->payload)->payload)
        ->header->rest_low.host();
}

}  // namespace

TEST_CASE("a router's error about a tunnel is passed on as one about the client's packet, less the outer header") {
    Core core(layer3_config());
    auto frame = large();
    const auto before = ip_packet(frame->bytes());
    const Packet sent = core.run(*frame);
    REQUIRE(sent.verdict == Verdict::forwarded);
    auto error = error_about(sent, {});
    const Packet packet = core.run(*error);
    REQUIRE(packet.verdict == Verdict::answered);
    CHECK(packet.answer == Answer::fragmentation_needed);
    const auto& ethernet = wire::header_at<wire::EthernetHeader>(packet.bytes());
    CHECK(ethernet.destination == kRouterMac);
    CHECK(ethernet.source == kLbMac);
    const auto told = wire::parse_ipv4(wire::parse_ethernet(packet.bytes())->payload).value();
    CHECK(wire::verify_ipv4_checksum(told));
    CHECK(wire::checksum_valid(told.payload));
    CHECK(told.header->source == kVip);
    CHECK(told.header->destination == kClient);
    const auto icmp = wire::parse_icmp(told.payload).value();
    CHECK(icmp.header->type == 3);
    CHECK(icmp.header->code == 4);
    CHECK(icmp.header->rest_low.host() == 1280);
    CHECK(std::vector<std::uint8_t>(icmp.payload.begin(), icmp.payload.end()) ==
          std::vector<std::uint8_t>(before.begin(), before.begin() + 548));
    CHECK(core.conserved());
}

TEST_CASE("after a router's error clients are told the smaller MTU at once, for that server and Layer 3 alone") {
    auto config = layer3_config();
    config.network_profiles[0].dsr_type = config::DsrType::l2;
    Core core(config);
    REQUIRE(mtu_told(core) == 0);
    auto frame = large();
    const Packet sent = core.run(*frame);
    auto error = error_about(sent, {});
    core.run(*error);
    int less = 0;
    for (std::uint16_t port = 1; port <= 40; ++port) {
        auto probe = udp_frame(port);
        const bool same_server = core.run(*probe).server == sent.server;
        CHECK(mtu_told(core, 0, port) == (same_server ? 1280 : 0));
        less += same_server ? 1 : 0;
        auto tcp = tcp_frame(port, wire::kTcpAck, 1440);
        CHECK(core.run(*tcp).verdict == Verdict::forwarded);
    }
    CHECK(less > 5);
    CHECK(less < 35);
}

TEST_CASE("packets without DF and super-frames are cut to what the router said") {
    Core core(layer3_config());
    for (const bool tcp : {true, false}) {
        auto probe = tcp ? tcp_frame(1, wire::kTcpAck, 1400) : large();
        auto error = error_about(core.run(*probe), {});
        core.run(*error);
        auto frame = tcp ? tcp_frame(1, wire::kTcpAck, 5000) : large();
        if (!tcp) clear_dont_fragment(*frame);
        const Packet packet = core.run(*frame);
        CHECK(packet.verdict == Verdict::forwarded);
        CHECK(packet.cut == (tcp ? Cut::segments : Cut::fragments));
        CHECK(packet.piece_payload == (tcp ? 1240 : 1256));
    }
}

TEST_CASE("a router that quotes only 8 bytes is not believed: they do not show that the packet was ours") {
    Core core(layer3_config());
    auto frame = large();
    auto error = error_about(core.run(*frame), {.quoted = 28});
    const std::vector<std::uint8_t> before(error->bytes().begin(), error->bytes().end());
    CHECK(core.run(*error).verdict == Verdict::passed);
    CHECK(std::vector<std::uint8_t>(error->bytes().begin(), error->bytes().end()) == before);
    CHECK(mtu_told(core) == 0);
}

TEST_CASE("a forged error is not believed: a wrong checksum, a packet that would have fitted, a flow nobody has") {
    Core core(layer3_config());
    auto frame = large();
    const Packet sent = core.run(*frame);
    auto checksum = error_about(sent, {});
    checksum->bytes().back() ^= 1;
    CHECK(core.run(*checksum).verdict == Verdict::passed);
    auto fits = error_about(sent, {.mtu = 1500});
    CHECK(core.run(*fits).verdict == Verdict::passed);
    auto stranger = large(2);
    Core other(layer3_config());
    auto unknown = error_about(other.run(*stranger), {});
    CHECK(core.run(*unknown).verdict == Verdict::passed);
    CHECK(mtu_told(core) == 0);
}

TEST_CASE("the client's header and 8 bytes in the quote are enough to tell it, one less is not") {
    for (const std::size_t quoted : {48U, 47U}) {
        Core core(layer3_config());
        auto frame = large();
        auto error = error_about(core.run(*frame), {.quoted = quoted});
        CHECK(core.run(*error).verdict == (quoted == 48 ? Verdict::answered : Verdict::passed));
    }
}

TEST_CASE("a router's error is believed for ten minutes, and does not come back to life when the clock comes round") {
    Core core(layer3_config());
    auto frame = large();
    auto error = error_about(core.run(*frame, 1000), {});
    core.run(*error, 1000);
    CHECK(mtu_told(core, 1599) == 1280);
    for (const unsigned later : {600U, 601U, 0x8000U, 40000U, 65535U})
        CHECK(mtu_told(core, static_cast<FlowTime>(1000 + later)) == 0);
}

TEST_CASE("what is no error about a tunnel of ours changes nothing and is passed") {
    const auto expect_ignored = [](const char* what, auto change) {
        Core core(layer3_config());
        auto frame = large();
        const Packet sent = core.run(*frame);
        auto error = change(sent);
        INFO(what);
        CHECK(core.run(*error).verdict == Verdict::passed);
        CHECK(mtu_told(core) == 0);
    };
    expect_ignored("an MTU so small that only a forger names it",
                   [](const Packet& sent) { return error_about(sent, {.mtu = 551}); });
    expect_ignored("no MTU", [](const Packet& sent) { return error_about(sent, {.mtu = 0}); });
    expect_ignored("another code", [](const Packet& sent) { return error_about(sent, {.code = 1}); });
    expect_ignored("to another host", [](const Packet& sent) { return error_about(sent, {.to = ip("10.0.0.3")}); });
    expect_ignored("half an outer header", [](const Packet& sent) { return error_about(sent, {.quoted = 19}); });
    expect_ignored("a damaged header", [](const Packet& sent) {
        auto error = error_about(sent, {});
        error->bytes()[14 + 8] ^= 1;
        return error;
    });
    expect_ignored("a packet of another sender", [](const Packet& sent) {
        sent.data[14 + 12] ^= 1;
        return error_about(sent, {});
    });
    expect_ignored("a packet to no server", [](const Packet& sent) {
        sent.data[14 + 16] ^= 1;
        return error_about(sent, {});
    });
    expect_ignored("a packet that is no tunnel's", [](const Packet& sent) {
        sent.data[14 + 9] = 17;
        return error_about(sent, {});
    });
}

TEST_CASE(
    "the least MTU that is believed leaves room for every packet of the least MTU of the Internet but its tunnel") {
    Core core(layer3_config());
    auto frame = large();
    auto error = error_about(core.run(*frame), {.mtu = 552});
    core.run(*error);
    CHECK(mtu_told(core) == 532);
}

TEST_CASE("a larger MTU than the interface's own makes no more room") {
    Core core(layer3_config());
    auto frame = large();
    auto error = error_about(core.run(*frame), {.mtu = 9000});
    core.run(*error);
    auto too_large = udp_frame(1, 1472);
    CHECK(core.run(*too_large).answer == Answer::fragmentation_needed);
}

TEST_CASE("at most 1000 errors of routers are passed on in a second") {
    Core core(layer3_config());
    auto frame = large();
    const Packet sent = core.run(*frame);
    int answered = 0;
    for (int i = 0; i < 1100; ++i) {
        auto error = error_about(sent, {});
        answered += core.run(*error).verdict == Verdict::answered ? 1 : 0;
    }
    CHECK(answered == 1000);
    CHECK(core.conserved());
}
