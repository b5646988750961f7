#include <catch2/catch.hpp>

#include "tests/unit/verify/scene.hpp"

namespace dsr::verify::test {
namespace {

TEST_CASE("a flow's requests, next hops and replies are read from its frames") {
    Scene scene;
    scene.request(scene.flow(0), kLbMac);
    scene.reply(scene.flow(0), kMac1, 61);
    const FlowTrace flow = trace_of(scene.vip).targets[0].flows[0];
    CHECK(flow.requests == 2);
    CHECK(flow.sent_to == std::set{kLbMac});
    CHECK(flow.sequence == kSequence);
    REQUIRE(flow.replies.size() == 2);
    CHECK(flow.replies[0].kind == ReplyKind::syn_ack);
    CHECK_FALSE(flow.replies[0].beyond_syn);
    CHECK(flow.replies[0].from == kMac1);
    CHECK(flow.replies[0].ttl == 61);
    CHECK(flow.replies[1].kind == ReplyKind::segment);
    CHECK(flow.replies[1].beyond_syn);
    CHECK(flow.answered());
}

TEST_CASE("a SYN-ACK of an older connection from the same port is no answer") {
    Scene scene;
    scene.reply(scene.flow(0), kMac1);     // acknowledges 1001 …
    scene.request(scene.flow(0), kLbMac);  // … before our SYN was sent
    scene.vip.frames.erase(scene.vip.frames.begin(), scene.vip.frames.begin() + 2);
    scene.frame([&](wire::FrameBuilder& b) {
        b.ethernet(kClientMac, kMac1)
            .ipv4({.source = kVip, .destination = kClient})
            .tcp({.source_port = 80,
                  .destination_port = 20000,
                  .acknowledgment = kSequence + 77,
                  .flags = wire::kTcpSyn | wire::kTcpAck});
    });
    CHECK_FALSE(trace_of(scene.vip).targets[0].flows[0].answered());
}

TEST_CASE("a frame whose end was cut off by the capture still counts") {
    Scene scene;
    scene.request(scene.flow(0), kLbMac);
    scene.frame([&](wire::FrameBuilder& b) {
        const std::array<std::uint8_t, 300> page{};
        b.ethernet(kClientMac, kMac1)
            .ipv4({.source = kVip, .destination = kClient})
            .tcp(
                {.source_port = 80, .destination_port = 20000, .acknowledgment = kSequence + 2, .flags = wire::kTcpAck})
            .payload(page);
    });
    scene.vip.frames.back().bytes.resize(100);
    CHECK(trace_of(scene.vip).targets[0].flows[0].replies.size() == 1);
}

TEST_CASE("an ICMP error is filed under the flow it quotes, and other messages under none") {
    Scene scene;
    scene.icmp_error(scene.flow(1), kMac2, kServer2, wire::kIcmpDestinationUnreachable, 3);
    wire::FlowKey other = scene.flow(1);
    other.source_port = 40000;
    scene.icmp_error(other, kMac2, kServer2, wire::kIcmpDestinationUnreachable, 3);
    const TargetTrace trace = trace_of(scene.vip).targets[0];
    REQUIRE(trace.flows[1].errors.size() == 1);
    CHECK(trace.flows[1].errors[0].source == kServer2);
    CHECK(trace.flows[0].errors.empty());
}

TEST_CASE("a second look's pings are told apart by sequence and its identifier") {
    Scene scene;
    const Knock knock = scene.knock(1, kMac2);
    scene.echo_error(knock, kKnockVip, kMac2, kServer2, wire::kIcmpTimeExceeded);
    scene.echo_error(knock, kKnockElsewhere, kMac2, kServer2, wire::kIcmpTimeExceeded);
    Knock foreign = knock;
    foreign.echo_id = 1;
    scene.echo_reply(foreign, kMac2);
    const KnockTrace trace = trace_of(scene.vip).targets[0].knocks[0];
    CHECK(trace.echo_errors.size() == 1);
    CHECK(trace.elsewhere_errors.size() == 1);
    CHECK_FALSE(trace.echo_reply.has_value());
    CHECK(trace.direct.sent_to == std::set{kMac2});
}

TEST_CASE("one server's second looks for two services do not share their pings") {
    Scene scene;
    scene.vip.targets.push_back(scene.vip.targets[0]);
    const Knock first = scene.knock(1, kMac2);
    Knock second = first;
    second.echo_id = scene.vip.free_echo_id();
    scene.vip.targets[1].knocks.push_back(second);
    scene.echo_reply(second, kMac2);
    scene.echo_error(second, kKnockElsewhere, kMac2, kServer2, wire::kIcmpTimeExceeded);
    const VipTrace trace = trace_of(scene.vip);
    CHECK_FALSE(trace.targets[0].knocks[0].echo_reply.has_value());
    CHECK(trace.targets[0].knocks[0].elsewhere_errors.empty());
    CHECK(trace.targets[1].knocks[0].echo_reply == kMac2);
    CHECK(trace.targets[1].knocks[0].elsewhere_errors.size() == 1);
}

TEST_CASE("ARP replies for other addresses teach neighbours") {
    Scene scene;
    scene.arp_reply(kMac1, kServer1);
    scene.arp_reply(kLbMac, kVip);
    const VipTrace trace = trace_of(scene.vip);
    CHECK(trace.arp_answers == std::set{kLbMac});
    CHECK(trace.neighbors == std::map<wire::Ipv4Address, wire::MacAddress>{{kServer1, kMac1}});
}

TEST_CASE("no prefix of any frame upsets the reader") {
    Scene scene;
    scene.healthy_arp();
    scene.converse();
    scene.icmp_error(scene.flow(1), kMac2, kServer2, wire::kIcmpTimeExceeded, 0);
    const auto whole = scene.vip.frames;
    for (const Frame& frame : whole)
        for (std::size_t size = 0; size < frame.bytes.size(); ++size)
            scene.vip.frames.push_back(
                {frame.time, {frame.bytes.begin(), frame.bytes.begin() + static_cast<std::ptrdiff_t>(size)}});
    CHECK(trace_of(scene.vip).targets[0].flows[0].answered());
}

}  // namespace
}  // namespace dsr::verify::test
