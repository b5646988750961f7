// Which fault a silence or a refusal is named, in every claim that it refutes.
#include <catch2/catch.hpp>

#include "tests/unit/verify/scene.hpp"

namespace dsr::verify::test {
namespace {

const wire::MacAddress kNobody{};

// Server 2 leaves its flows unanswered.
Scene half_silent(Protocol protocol = Protocol::tcp) {
    Scene scene(protocol);
    scene.healthy_arp();
    scene.converse([](std::size_t flow) { return flow < 2 ? kMac1 : kNobody; });
    return scene;
}

void check_finding(const Scene& scene, const std::optional<std::string>& finding) {
    for (const Claim& claim : {scene.claim("answered"), scene.claim("every-server-answers", "10.0.0.12")}) {
        INFO(claim.claim << ": " << claim.actual);
        CHECK(claim.verdict == Verdict::refuted);
        CHECK(claim.finding == finding);
        CHECK_FALSE(claim.fix.empty());
    }
    CHECK(scene.claim("every-server-answers", "10.0.0.11").verdict == Verdict::proved);
}

TEST_CASE("a server that sends the VIP's packets on does not own it") {
    SECTION("time exceeded on a flow") {
        Scene scene = half_silent();
        scene.icmp_error(scene.flow(2), kMac2, kServer2, wire::kIcmpTimeExceeded, 0);
        check_finding(scene, "vip-missing");
    }
    SECTION("a redirect on a flow") {
        Scene scene = half_silent();
        scene.icmp_error(scene.flow(3), kMac2, kServer2, wire::kIcmpRedirect, 1);
        check_finding(scene, "vip-missing");
    }
    SECTION("net unreachable to the second look's ping") {
        Scene scene = half_silent();
        const Knock knock = scene.knock(1, kMac2);
        scene.echo_error(knock, kKnockVip, kMac2, kServer2, wire::kIcmpDestinationUnreachable, 0);
        check_finding(scene, "vip-missing");
    }
}

TEST_CASE("a server that is up, forwards nothing and is silent for the VIP most likely lacks it") {
    Scene scene = half_silent();
    scene.reply(scene.knock(1, kMac2).own, kMac2);
    check_finding(scene, "vip-missing");
}

TEST_CASE("a server that reports other packets and is silent for the VIP filters it") {
    Scene scene = half_silent();
    const Knock knock = scene.knock(1, kMac2);
    scene.reply(knock.own, kMac2);
    scene.echo_error(knock, kKnockElsewhere, kMac2, kServer2, wire::kIcmpTimeExceeded);
    check_finding(scene, "firewall");
}

TEST_CASE("a server that answers ping to the VIP and not its port filters the port") {
    Scene scene = half_silent();
    scene.echo_reply(scene.knock(1, kMac2), kMac2);
    check_finding(scene, "firewall");
}

TEST_CASE("an administrative prohibition, and port unreachable for TCP, are a packet filter's") {
    for (const std::uint8_t code : {std::uint8_t{13}, std::uint8_t{10}, std::uint8_t{3}}) {
        Scene scene = half_silent();
        scene.icmp_error(scene.flow(2), kMac2, kVip, wire::kIcmpDestinationUnreachable, code);
        check_finding(scene, "firewall");
    }
}

TEST_CASE("a refusal is no-listener, or listener-address when the server's own address accepts") {
    Scene scene = half_silent();
    scene.reset(scene.flow(2), kMac2);
    check_finding(scene, "no-listener");
    const Knock knock = scene.knock(1, kMac2);
    check_finding(scene, "no-listener");
    scene.reply(knock.own, kMac2);
    check_finding(scene, "listener-address");
}

TEST_CASE("port unreachable is UDP's refusal") {
    Scene scene = half_silent(Protocol::udp);
    scene.icmp_error(scene.flow(2), kMac2, kVip, wire::kIcmpDestinationUnreachable, wire::kIcmpCodePortUnreachable);
    check_finding(scene, "no-listener");
}

TEST_CASE("a server that answers directly does not get what the load balancer should forward") {
    Scene scene = half_silent();
    const Knock knock = scene.knock(1, kMac2);
    scene.reply(knock.direct, kMac2);
    scene.reply(knock.own, kMac2);
    check_finding(scene, "not-forwarded");
}

TEST_CASE("a server whose other replies come from the load balancer's MAC has its route there") {
    Scene scene = half_silent();
    scene.reply(scene.knock(1, kMac2).own, kLbMac, 63);
    check_finding(scene, "return-via-lb");
}

TEST_CASE("replies that the load balancer counted name the way back, not the server") {
    Scene scene = half_silent();
    scene.counters(8, {4, 4}, 4);
    check_finding(scene, "return-via-lb");
    CHECK(scene.claim("bypasses-lb").finding == "return-via-lb");
}

TEST_CASE("a server that is silent everywhere gets no name from the matrix") {
    Scene scene = half_silent();
    scene.knock(1, kMac2);
    check_finding(scene, std::nullopt);
    CHECK_THAT(scene.claim("answered").actual,
               Catch::EndsWith("down, filtered, or its replies to this client get lost"));
}

TEST_CASE("a server that nobody looked at again gets no name either") {
    check_finding(half_silent(), std::nullopt);
}

TEST_CASE("behind a router silence for the VIP beside a live server has several causes and no name") {
    Scene scene;
    scene.route();
    scene.converse([](std::size_t flow) { return flow < 2 ? kStranger : kNobody; });
    scene.target().knocks.push_back({.server = 1, .direct = {}, .own = {kClient, kServer2, 32001, 80, 6}});
    scene.reply(scene.target().knocks[0].own, kStranger);
    const Claim claim = scene.claim("every-server-answers", "10.0.0.12");
    CHECK(claim.verdict == Verdict::refuted);
    CHECK_FALSE(claim.finding.has_value());
    CHECK_THAT(claim.fix, Catch::Contains("serverprep --check"));
}

TEST_CASE("a second look at a server whose replies cross a router did not reach it directly") {
    Scene scene;
    scene.healthy_arp();
    for (std::size_t i = 0; i < 4; ++i) {
        scene.request(scene.flow(i), kLbMac);
        if (i < 2) scene.reply(scene.flow(i), kStranger, 63);
    }
    scene.reply(scene.knock(1, kMac2).own, kStranger, 63);
    const Claim claim = scene.claim("every-server-answers", "10.0.0.12");
    CHECK(claim.verdict == Verdict::refuted);
    CHECK_FALSE(claim.finding.has_value());
    CHECK_THAT(claim.fix, Catch::Contains("serverprep --check"));
}

TEST_CASE("a server that answers from its own address is not called a packet filter") {
    for (const bool all_silent : {false, true}) {
        Scene scene(Protocol::udp);
        scene.healthy_arp();
        scene.converse([&](std::size_t flow) { return flow < 2 && !all_silent ? kMac1 : kNobody; });
        scene.reply_from(scene.flow(2), kMac2, kServer2);
        const Knock knock = scene.knock(1, kMac2);
        scene.echo_reply(knock, kMac2);  // it owns the VIP, and its datagrams do not come from there
        scene.reply(knock.own, kMac2);
        const Claim server = scene.claim("every-server-answers", "10.0.0.12");
        CHECK(server.verdict == Verdict::refuted);
        CHECK_FALSE(server.finding.has_value());
        CHECK_THAT(server.actual, Catch::Contains("see source-is-vip"));
        if (!all_silent) CHECK_FALSE(scene.claim("answered").finding.has_value());
        if (!all_silent) CHECK_THAT(scene.claim("answered").actual, Catch::Contains("see source-is-vip"));
    }
}

TEST_CASE("a static MAC that is not the server's is named, and nothing else is") {
    Scene scene = half_silent();
    scene.target().target.servers[1].mac = kStranger;
    scene.arp_reply(kMac2, kServer2);
    scene.reply(scene.knock(1, kStranger).own, kMac2);
    check_finding(scene, std::nullopt);
    const Claim claim = scene.claim("every-server-answers", "10.0.0.12");
    CHECK_THAT(claim.actual, Catch::Contains("the configuration gives 10.0.0.12 the MAC 02:00:00:00:00:99, ARP says "
                                             "02:00:00:00:00:12"));
    CHECK_THAT(claim.fix, Catch::Contains("correct 'mac'"));
}

TEST_CASE("MAC addresses that the counters tell are known from their first reading on") {
    Scene scene = half_silent();
    for (Server& server : scene.target().target.servers)
        server.mac.reset();
    scene.counters(8, {4, 4}, 0);
    scene.target().after.reset();
    const Segment segment(scene.vip, trace_of(scene.vip));
    CHECK(segment.mac_of(kServer2) == kMac2);
}

TEST_CASE("a VIP on the load balancer's own host is to be taken off there") {
    Scene scene;
    scene.healthy_arp();
    scene.converse([](std::size_t) { return kLbMac; });
    scene.knock(1, kMac2);
    for (const Claim& claim : {scene.claim("bypasses-lb"), scene.claim("every-server-answers", "10.0.0.12")}) {
        CHECK(claim.verdict == Verdict::refuted);
        CHECK(claim.finding == "return-via-lb");
        CHECK_THAT(claim.fix, Catch::Contains("on the load balancer: ip address delete 203.0.113.10 dev"));
    }
}

TEST_CASE("replies that the load balancer's host forwards are the route's fault") {
    Scene scene;
    scene.healthy_arp();
    for (std::size_t i = 0; i < 4; ++i) {
        scene.request(scene.flow(i), kLbMac);
        scene.reply(scene.flow(i), kLbMac, 63);
    }
    CHECK_THAT(scene.claim("bypasses-lb").fix, Catch::Contains("route to the client"));
}

TEST_CASE("behind a router servers that are all silent for the VIP alone point at the load balancer") {
    Scene scene;
    scene.route();
    scene.converse([](std::size_t) { return kNobody; });
    for (std::size_t i = 0; i < 2; ++i) {
        const auto port = static_cast<std::uint16_t>(32001 + i);
        const wire::Ipv4Address server = i == 0 ? kServer1 : kServer2;
        scene.target().knocks.push_back({.server = i, .direct = {}, .own = {kClient, server, port, 80, 6}});
        scene.reply(scene.target().knocks[i].own, kStranger, 63);
    }
    for (const Claim& claim : {scene.claim("answered"), scene.claim("every-server-answers", "10.0.0.12")}) {
        CHECK(claim.finding == "lb-not-reached");
        CHECK(claim.where == "the load balancer, or the route to it");
    }
    scene.counters(8, {4, 4}, 0);  // the load balancer is there, and forwards
    CHECK_FALSE(scene.claim("answered").finding.has_value());
}

TEST_CASE("when all is silent the counters tell what became of the requests") {
    const auto finding = [](const std::function<void(Scene&)>& arrange) {
        Scene scene;
        scene.healthy_arp();
        scene.converse([](std::size_t) { return kNobody; });
        arrange(scene);
        return scene.claim("answered").finding;
    };
    CHECK(finding([](Scene& scene) { scene.counters(3, {0, 0}, 0); }) == "lb-not-reached");
    CHECK(finding([](Scene& scene) { scene.counters(8, {0, 0}, 0); }) == "not-forwarded");
    CHECK(finding([](Scene& scene) {
              scene.counters(8, {0, 0}, 0);
              scene.target().after->services.clear();
          }) == "not-forwarded");
    CHECK(finding([](Scene& scene) { scene.counters(8, {4, 4}, 8); }) == "return-via-lb");
    CHECK(finding([](Scene& scene) { scene.counters(8, {4, 4}, 0); }) == std::nullopt);
}

TEST_CASE("without knowledge of the servers ICMP and resets still name the fault") {
    Scene scene;
    scene.forget_servers();
    scene.healthy_arp();
    scene.converse([](std::size_t flow) { return flow < 2 ? kMac1 : kNobody; });
    CHECK(scene.claim("every-server-answers").verdict == Verdict::refuted);
    CHECK_FALSE(scene.claim("every-server-answers").finding.has_value());
    SECTION("time exceeded from a host that is not the load balancer") {
        scene.icmp_error(scene.flow(2), kMac2, kServer2, wire::kIcmpTimeExceeded, 0);
        CHECK(scene.claim("answered").finding == "vip-missing");
        CHECK_THAT(scene.claim("answered").where, Catch::Contains("10.0.0.12"));
    }
    SECTION("time exceeded from the load balancer's own kernel names no server") {
        scene.icmp_error(scene.flow(2), kLbMac, kGateway, wire::kIcmpTimeExceeded, 0);
        CHECK_FALSE(scene.claim("answered").finding.has_value());
    }
    SECTION("a reset") {
        scene.reset(scene.flow(2), kMac2);
        CHECK(scene.claim("answered").finding == "no-listener");
    }
    SECTION("a filter") {
        scene.icmp_error(scene.flow(2), kMac2, kVip, wire::kIcmpDestinationUnreachable, 13);
        CHECK(scene.claim("answered").finding == "firewall");
    }
}

}  // namespace
}  // namespace dsr::verify::test
