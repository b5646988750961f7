// Each claim proved, refuted and not shown.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/verify/scene.hpp"

namespace dsr::verify::test {
namespace {

const wire::MacAddress kNobody{};

wire::MacAddress only_server_1(std::size_t flow) {
    return flow < 2 ? kMac1 : kNobody;
}

TEST_CASE("a correct service is proved in every claim") {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        Scene scene(protocol);
        scene.healthy_arp();
        scene.converse();
        const auto claims = scene.claims();
        CHECK(claims.size() == 7);
        for (const Claim& claim : claims) {
            INFO(claim.claim << ": " << claim.actual);
            CHECK(claim.verdict == Verdict::proved);
            CHECK_FALSE(claim.finding.has_value());
            CHECK_FALSE(claim.expected.empty());
            CHECK_FALSE(claim.actual.empty());
            CHECK(claim.fix.empty());
        }
        CHECK(overall(claims) == Verdict::proved);
    }
}

TEST_CASE("answered is refuted by one silent flow and not shown without any probe") {
    Scene scene;
    scene.healthy_arp();
    scene.converse([](std::size_t flow) { return flow == 0 ? kNobody : flow < 2 ? kMac1 : kMac2; });
    CHECK(scene.claim("answered").verdict == Verdict::refuted);
    CHECK_THAT(scene.claim("answered").actual, Catch::StartsWith("3 of 4 flows answered"));
    Scene empty;
    empty.target().flows.clear();
    CHECK(empty.claim("answered").verdict == Verdict::not_shown);
}

TEST_CASE("source-is-vip is refuted by replies that show the cookie from another address") {
    Scene tcp;
    tcp.healthy_arp();
    tcp.converse(only_server_1);
    tcp.reply_from(tcp.flow(2), kMac2, kServer2);
    CHECK(tcp.claim("source-is-vip").verdict == Verdict::refuted);
    CHECK_THAT(tcp.claim("source-is-vip").where, Catch::Contains("10.0.0.12"));

    Scene udp(Protocol::udp);
    udp.healthy_arp();
    udp.converse([](std::size_t) { return kNobody; });
    udp.reply_from(udp.flow(0), kMac1, kServer1);
    CHECK(udp.claim("source-is-vip").verdict == Verdict::refuted);
    CHECK_THAT(udp.claim("source-is-vip").fix, Catch::Contains("bind it to 203.0.113.10"));
}

TEST_CASE("source-is-vip is not shown when nothing is answered") {
    Scene scene;
    scene.converse([](std::size_t) { return kNobody; });
    CHECK(scene.claim("source-is-vip").verdict == Verdict::not_shown);
}

TEST_CASE("a packet with another acknowledgment than the cookie's is no stray reply") {
    Scene scene;
    scene.healthy_arp();
    scene.converse();
    wire::FlowKey flow = scene.flow(0);
    scene.frame([&](wire::FrameBuilder& b) {
        b.ethernet(kClientMac, kMac2)
            .ipv4({.source = kServer2, .destination = kClient})
            .tcp({.source_port = 80,
                  .destination_port = flow.source_port,
                  .acknowledgment = 4711,
                  .flags = wire::kTcpSyn | wire::kTcpAck});
    });
    CHECK(scene.claim("source-is-vip").verdict == Verdict::proved);
}

TEST_CASE("bypasses-lb is refuted when a reply has the MAC that the requests went to") {
    Scene scene;
    scene.healthy_arp();
    scene.converse([](std::size_t flow) { return flow == 3 ? kLbMac : flow < 2 ? kMac1 : kMac2; });
    const Claim claim = scene.claim("bypasses-lb");
    CHECK(claim.verdict == Verdict::refuted);
    CHECK(claim.finding == "return-via-lb");
    CHECK_FALSE(claim.fix.empty());
}

TEST_CASE("bypasses-lb is refuted by the load balancer's counters whatever the MACs say") {
    Scene scene;
    scene.healthy_arp();
    scene.converse();
    scene.counters(8, {4, 4}, 1);
    CHECK(scene.claim("bypasses-lb").verdict == Verdict::refuted);
    CHECK(scene.claim("bypasses-lb").finding == "return-via-lb");
}

TEST_CASE("behind a router bypasses-lb needs counters that show the requests") {
    Scene scene;
    scene.route();
    scene.converse();
    CHECK(scene.claim("bypasses-lb").verdict == Verdict::not_shown);
    scene.counters(8, {4, 3}, 0);  // one request less than was answered: not all came through this load balancer
    CHECK(scene.claim("bypasses-lb").verdict == Verdict::not_shown);
    scene.counters(8, {4, 4}, 0);
    CHECK(scene.claim("bypasses-lb").verdict == Verdict::proved);
    scene.counters(8, {4, 4}, 2);
    CHECK(scene.claim("bypasses-lb").verdict == Verdict::refuted);
}

TEST_CASE("counters of a load balancer that restarted are no evidence") {
    Scene scene;
    scene.route();
    scene.converse();
    scene.counters(8, {4, 4}, 0);
    scene.target().after->received = 8;
    CHECK(scene.claim("bypasses-lb").verdict == Verdict::not_shown);
}

TEST_CASE("replies of unknown hosts that crossed a router do not show bypass") {
    Scene scene;
    scene.forget_servers();
    scene.healthy_arp();
    for (std::size_t i = 0; i < 4; ++i) {
        scene.request(scene.flow(i), kLbMac);
        scene.reply(scene.flow(i), kStranger, 63);
    }
    CHECK(scene.claim("bypasses-lb").verdict == Verdict::not_shown);
}

TEST_CASE("requests that went straight to a server show nothing about the load balancer") {
    Scene scene;
    scene.arp_reply(kLbMac, kVip);
    scene.arp_reply(kMac1, kVip);
    for (std::size_t i = 0; i < 4; ++i) {
        scene.request(scene.flow(i), kMac1);
        scene.reply(scene.flow(i), kMac1);
    }
    CHECK(scene.claim("bypasses-lb").verdict == Verdict::not_shown);
    CHECK(scene.claim("every-server-answers", "10.0.0.12").verdict == Verdict::not_shown);
    CHECK(scene.claim("only-lb-answers-arp").verdict == Verdict::refuted);
}

TEST_CASE("every-server-answers is refuted for the silent server only") {
    Scene scene;
    scene.healthy_arp();
    scene.converse(only_server_1);
    CHECK(scene.claim("every-server-answers", "10.0.0.11").verdict == Verdict::proved);
    CHECK(scene.claim("every-server-answers", "10.0.0.12").verdict == Verdict::refuted);
}

TEST_CASE("a server whose flows others answer is refuted") {
    Scene scene;
    scene.healthy_arp();
    scene.converse([](std::size_t) { return kMac1; });
    CHECK(scene.claim("answered").verdict == Verdict::proved);
    CHECK(scene.claim("every-server-answers", "10.0.0.12").verdict == Verdict::refuted);
}

TEST_CASE("every-server-answers is not shown when nobody told which servers there are") {
    Scene scene;
    scene.forget_servers();
    scene.healthy_arp();
    scene.converse();
    CHECK(scene.claim("every-server-answers").verdict == Verdict::not_shown);
    CHECK(overall(scene.claims()) == Verdict::not_shown);
}

TEST_CASE("a server that no unaimed probe reached is not shown") {
    Scene scene;
    for (PlannedFlow& planned : scene.target().flows)
        planned.server.reset();
    scene.healthy_arp();
    scene.converse([](std::size_t) { return kMac1; });
    CHECK(scene.claim("every-server-answers", "10.0.0.11").verdict == Verdict::proved);
    CHECK(scene.claim("every-server-answers", "10.0.0.12").verdict == Verdict::not_shown);
}

TEST_CASE("behind a router the counters say which server answered") {
    Scene scene;
    scene.route();
    scene.converse();
    CHECK(scene.claim("every-server-answers", "10.0.0.12").verdict == Verdict::not_shown);
    scene.counters(8, {4, 4}, 0);
    CHECK(scene.claim("every-server-answers", "10.0.0.12").verdict == Verdict::proved);
    scene.counters(8, {8, 0}, 0);
    CHECK(scene.claim("every-server-answers", "10.0.0.12").verdict == Verdict::not_shown);
}

TEST_CASE("replies that crossed a router to a client on the VIP's segment are judged by the counters") {
    for (const bool aimed : {true, false}) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
            Scene scene(protocol);
            scene.healthy_arp();
            for (std::size_t i = 0; i < 4; ++i) {
                scene.request(scene.flow(i), kLbMac);
                scene.reply(scene.flow(i), kStranger, 63);
                if (!aimed) scene.target().flows[i].server.reset();
            }
            for (const char* server : {"10.0.0.11", "10.0.0.12"})
                CHECK(scene.claim("every-server-answers", server).verdict == Verdict::not_shown);
            CHECK(scene.claim("flow-sticks").verdict ==
                  (protocol == Protocol::tcp ? Verdict::proved : Verdict::not_shown));
            scene.counters(8, {4, 4}, 0);
            for (const char* server : {"10.0.0.11", "10.0.0.12"})
                CHECK(scene.claim("every-server-answers", server).verdict == Verdict::proved);
            CHECK(scene.claim("bypasses-lb").verdict == Verdict::proved);
            scene.counters(8, {8, 0}, 0);
            CHECK(scene.claim("every-server-answers", "10.0.0.12").verdict == Verdict::not_shown);
        }
    }
}

TEST_CASE("flow-sticks is refuted when two MACs answer one flow") {
    Scene scene;
    scene.healthy_arp();
    scene.converse();
    scene.reply(scene.flow(0), kMac2);
    const Claim claim = scene.claim("flow-sticks");
    CHECK(claim.verdict == Verdict::refuted);
    CHECK_THAT(claim.actual, Catch::Contains("20000") && Catch::Contains("10.0.0.11") && Catch::Contains("10.0.0.12"));
}

TEST_CASE("flow-sticks is not shown when only the SYN was answered") {
    Scene scene;
    scene.healthy_arp();
    scene.converse();
    scene.vip.frames.pop_back();  // the last flow's acknowledgment
    CHECK(scene.claim("flow-sticks").verdict == Verdict::not_shown);
}

TEST_CASE("behind a router a TCP flow sticks by its acknowledgments and a UDP flow by rounds") {
    Scene tcp;
    tcp.route();
    tcp.converse();
    CHECK(tcp.claim("flow-sticks").verdict == Verdict::proved);

    Scene udp(Protocol::udp);
    udp.route();
    udp.converse();
    CHECK(udp.claim("flow-sticks").verdict == Verdict::not_shown);
    const auto counters = [](std::uint64_t first, std::uint64_t second) {
        return counters_of(Protocol::udp, 100 + first + second, {first, second}, 0);
    };
    udp.target().rounds = {{0, counters(0, 0), counters(4, 0)}, {1, counters(4, 0), counters(4, 4)}};
    CHECK(udp.claim("flow-sticks").verdict == Verdict::proved);
    udp.target().rounds = {{0, counters(0, 0), counters(2, 2)}, {1, counters(2, 2), counters(4, 4)}};
    CHECK(udp.claim("flow-sticks").verdict == Verdict::not_shown);
}

TEST_CASE("behind a router a UDP flow of unknown servers is not shown to stick") {
    Scene scene(Protocol::udp);
    scene.forget_servers();
    scene.route();
    scene.converse();
    CHECK(scene.claim("flow-sticks").verdict == Verdict::not_shown);
}

TEST_CASE("only-lb-answers-arp is refuted by a second answer, wherever it comes from") {
    for (const wire::MacAddress& second : {kMac2, kStranger}) {
        Scene scene;
        scene.healthy_arp();
        scene.converse();
        scene.arp_reply(second, kVip);
        const Claim claim = scene.claim("only-lb-answers-arp");
        CHECK(claim.verdict == Verdict::refuted);
        CHECK(claim.finding == "duplicate-arp");
        CHECK_THAT(claim.where, Catch::Contains(wire::to_string(second)));
    }
}

TEST_CASE("only-lb-answers-arp is refuted when the one answer is a server's") {
    Scene scene;
    scene.arp_reply(kMac1, kVip);
    for (std::size_t i = 0; i < 4; ++i)
        scene.request(scene.flow(i), kMac1);
    CHECK(scene.claim("only-lb-answers-arp").verdict == Verdict::refuted);
}

TEST_CASE("only-lb-answers-arp is refuted by ARP requests that spread the VIP, not by announcements") {
    Scene scene;
    scene.healthy_arp();
    scene.converse();
    const auto request = [&](wire::Ipv4Address about) {
        scene.frame([&](wire::FrameBuilder& b) {
            b.ethernet(wire::MacAddress::broadcast(), kMac2).arp(wire::kArpRequest, kMac2, kVip, {}, about);
        });
    };
    request(kVip);
    CHECK(scene.claim("only-lb-answers-arp").verdict == Verdict::proved);
    request(kClient);
    CHECK(scene.claim("only-lb-answers-arp").verdict == Verdict::refuted);
    CHECK(scene.claim("only-lb-answers-arp").finding == "arp-announce");
}

TEST_CASE("only-lb-answers-arp is not shown behind a router, and left out when the counters show the arrival") {
    Scene scene;
    scene.route();
    scene.converse();
    CHECK(scene.claim("only-lb-answers-arp").verdict == Verdict::not_shown);
    scene.counters(8, {4, 4}, 0);
    const auto claims = scene.claims();
    CHECK(std::ranges::find(claims, "only-lb-answers-arp", &Claim::claim) == claims.end());
    CHECK(overall(claims) == Verdict::proved);
}

TEST_CASE("nobody answers ARP: lb-not-reached, unless the service answers all the same") {
    Scene silent;
    CHECK(silent.claim("only-lb-answers-arp").verdict == Verdict::refuted);
    CHECK(silent.claim("only-lb-answers-arp").finding == "lb-not-reached");
    CHECK(silent.claim("answered").finding == "lb-not-reached");
    CHECK(silent.claim("every-server-answers", "10.0.0.11").finding == "lb-not-reached");
    Scene scene;
    scene.converse();
    CHECK(scene.claim("only-lb-answers-arp").verdict == Verdict::not_shown);
}

TEST_CASE("frames between others, which a switch floods, are no evidence") {
    Scene scene;
    scene.healthy_arp();
    scene.converse();
    const wire::FlowKey flow = scene.flow(0);
    scene.frame([&](wire::FrameBuilder& b) {
        b.ethernet(kStranger, kLbMac)
            .ipv4({.source = flow.destination, .destination = flow.source})
            .tcp({.source_port = 80, .destination_port = flow.source_port, .flags = wire::kTcpAck});
    });
    scene.frame([&](wire::FrameBuilder& b) {
        b.ethernet(kStranger, kMac2).arp(wire::kArpReply, kMac2, kVip, kStranger, kGateway);
    });
    CHECK(overall(scene.claims()) == Verdict::proved);
}

}  // namespace
}  // namespace dsr::verify::test
