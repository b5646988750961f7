// Rulesets made by the real nft and iptables (rulesets/make.py), and small ones written here. What the kernel does with
// many more is compared by tests/lab/test_serverprep_firewall_oracle.py.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "serverprep/firewall/ruleset.hpp"

using namespace dsr::serverprep::firewall;
using dsr::wire::Ipv4Address;
using Kind = FilterVerdict::Kind;

namespace {

std::string file(const std::string& name) {
    std::ifstream stream(DSR_TEST_DATA "/unit/serverprep/rulesets/" + name);
    return {std::istreambuf_iterator<char>(stream), {}};
}

RulesetText text(const std::string& name) {
    return {.nft_json = file(name + "/nft.json"),
            .nft_listing = file(name + "/nft.txt"),
            .iptables_nft = file(name + "/iptables-nft")};
}

Ruleset ruleset(const RulesetText& from) {
    auto parsed = Ruleset::parse(from);
    REQUIRE(parsed);
    return *parsed;
}

// One chain at hook input, policy accept.
Ruleset rules(const std::string& list, const std::string& more = {}) {
    std::string json = R"({"nftables": [{"table": {"family": "inet", "name": "t", "handle": 1}},
        {"chain": {"family": "inet", "table": "t", "name": "c", "handle": 1, "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}})";
    return ruleset({.nft_json = json + more +
                                R"(, {"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 7, "expr": )" +
                                list + "}}]}"});
}

FilteredPacket tcp(std::uint16_t port, const char* client = nullptr) {
    return {.link = "eth0",
            .source = client ? Ipv4Address::parse(client) : std::nullopt,
            .destination = Ipv4Address::parse("203.0.113.10"),
            .protocol = 6,
            .source_port = {},
            .destination_port = port};
}

FilteredPacket udp(std::uint16_t port, const char* client = nullptr) {
    FilteredPacket packet = tcp(port, client);
    packet.protocol = 17;
    return packet;
}

FilteredPacket ipip(const char* balancer) {
    FilteredPacket packet = tcp(0, balancer);
    packet.protocol = 4;
    packet.destination_port.reset();
    packet.destination = Ipv4Address::parse("10.0.0.11");
    return packet;
}

FilteredPacket reply() {
    return {.direction = FilteredPacket::Direction::leaving,
            .link = "eth0",
            .source = Ipv4Address::parse("203.0.113.10"),
            .destination = {},
            .protocol = 6,
            .source_port = 80,
            .destination_port = {},
            .established = true};
}

}  // namespace

TEST_CASE("ufw's default drops what it was not told of, and the fix is an exception, not an open policy") {
    const auto verdict = ruleset(text("ufw")).judge(tcp(80));
    CHECK(verdict.kind == Kind::dropped);
    CHECK(verdict.rule == "ip filter INPUT: policy drop");
    CHECK(verdict.fix == "iptables-nft -t filter -I INPUT -d 203.0.113.10 -p tcp --dport 80 -j ACCEPT");
    CHECK(ruleset(text("ufw")).judge(tcp(22)).kind == Kind::passes);
    CHECK(ruleset(text("ufw")).judge(ipip("10.0.0.2")).kind == Kind::dropped);
    CHECK(ruleset(text("ufw")).judge(reply()).kind == Kind::passes);
}

TEST_CASE("without iptables-nft-save, what nft does not show is unknown, never dropped") {
    RulesetText only_nft = text("ufw");
    only_nft.iptables_nft.clear();
    const auto verdict = ruleset(only_nft).judge(tcp(80));
    CHECK(verdict.kind == Kind::unknown);
    REQUIRE(!verdict.remarks.empty());
    CHECK(verdict.remarks[0].find("'conntrack' of iptables is not judged") != std::string::npos);
}

TEST_CASE("a save that tells of other rules than nft is not believed") {
    RulesetText other = text("ufw");
    other.iptables_nft.insert(other.iptables_nft.rfind("COMMIT"), "-A INPUT -j ACCEPT\n");
    CHECK(ruleset(other).judge(tcp(80)).kind == Kind::unknown);
}

TEST_CASE("Docker's chains drop nothing of a VIP; a published port is said to go elsewhere") {
    const auto docker = ruleset(text("docker"));
    CHECK(docker.judge(tcp(80)).kind == Kind::passes);
    CHECK(docker.judge(ipip("10.0.0.2")).kind == Kind::passes);
    const auto published = docker.judge(tcp(8080));
    CHECK(published.kind == Kind::unknown);
    REQUIRE(published.remarks.size() == 1);
    CHECK(published.remarks[0].find("sends the packet to another address or port than the VIP's") != std::string::npos);
}

TEST_CASE("firewalld rejects what no zone allows") {
    const auto firewalld = ruleset(text("firewalld"));
    const auto verdict = firewalld.judge(tcp(80));
    CHECK(verdict.kind == Kind::dropped);
    CHECK(verdict.rule.find("inet firewalld filter_IN_public, handle ") == 0);
    CHECK(verdict.rule.find(": reject with icmpx admin-prohibited") != std::string::npos);
    CHECK(verdict.fix == "nft insert rule inet firewalld filter_INPUT ip daddr 203.0.113.10 tcp dport 80 accept");
    CHECK(firewalld.judge(tcp(22)).kind == Kind::passes);
    CHECK(firewalld.judge(reply()).kind == Kind::passes);
}

TEST_CASE("a ruleset of nft's own") {
    const auto nft = ruleset(text("nft"));
    SECTION("a set that is fed makes some clients unknown") {
        const auto verdict = nft.judge(tcp(80));
        CHECK(verdict.kind == Kind::unknown);
        REQUIRE(verdict.remarks.size() == 1);
        CHECK(verdict.remarks[0].find("what the set 'blocked' holds comes and goes") != std::string::npos);
    }
    SECTION("what is dropped either way is dropped") {
        CHECK(nft.judge(tcp(8443)).kind == Kind::dropped);
        CHECK(nft.judge(tcp(443)).rule == "inet filter input: policy drop");
    }
    SECTION("a rule that names the packet is deleted") {
        FilteredPacket packet = tcp(443);
        packet.destination = Ipv4Address::parse("203.0.113.11");
        const auto verdict = nft.judge(packet);
        CHECK(verdict.rule.find(": ip daddr 203.0.113.11 tcp dport 443 drop") != std::string::npos);
        CHECK(verdict.fix.find("nft delete rule inet filter input handle ") == 0);
    }
    SECTION("some clients are dropped") {
        CHECK(nft.judge(udp(53, "192.0.2.9")).kind == Kind::dropped);
        CHECK(nft.judge(udp(53)).kind == Kind::unknown);
    }
    SECTION("ingress of one interface is not that of another, and a dormant table does nothing") {
        CHECK(nft.judge(ipip("10.0.0.3")).rule.find("netdev early eth0, handle ") == 0);
        CHECK(nft.judge(ipip("10.0.0.3"))
                  .rule.find(": ip protocol ipencap ip saddr != 10.0.0.2 drop comment \"tunnels\"") !=
              std::string::npos);
        CHECK(nft.judge(ipip("10.0.0.2")).rule == "inet filter input: policy drop");
    }
    SECTION("without the listing it is not known which device and which table") {
        RulesetText json_only = text("nft");
        json_only.nft_listing.clear();
        const auto verdict = ruleset(json_only).judge(udp(53, "10.0.0.50"));
        CHECK(verdict.kind == Kind::unknown);
        REQUIRE(verdict.remarks.size() >= 2);
        CHECK(verdict.remarks[0] == "netdev early lo: the ruleset does not say on which interface");
    }
}

TEST_CASE("what is not understood is not relied on") {
    const char* conditions[] = {
        R"({"match": {"op": "==", "left": {"payload": {"base": "nh", "offset": 128, "len": 32}}, "right": 1}})",
        R"({"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 1}})",
        R"({"match": {"op": "==", "left": {"ct": {"key": "mark"}}, "right": 1}})",
        R"({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": {"jhash": {}}}})",
        R"({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "@gone"}})",
        R"({"match": {"op": "~", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": 7}})",
        R"({"match": {"op": "in", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": "203.0.113.10"}})",
        R"({"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth\\*"}})",
        R"({"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "some-protocol"}})",
        R"({"match": 7})",
        R"({"limit": {"rate": 3, "per": "minute"}})",
        R"({"something new": {"a": 1}})",
        R"("nothing")",
        R"({"xt": {"type": "match", "name": "recent"}})",
    };
    for (const std::string condition : conditions) {
        CAPTURE(condition);
        const auto verdict = rules("[" + condition + R"(, {"drop": null}])").judge(tcp(80));
        CHECK(verdict.kind == Kind::unknown);
        CHECK(verdict.remarks.size() == 1);
    }
}

TEST_CASE("a verdict that is not understood may be any") {
    for (const std::string verdict : {R"({"queue": {"num": 1}})", R"({"jump": {"target": "gone"}})",
                                      R"({"xt": {"type": "target", "name": "NFQUEUE"}})"}) {
        CAPTURE(verdict);
        CHECK(rules("[" + verdict + "]").judge(tcp(80)).kind == Kind::unknown);
    }
}

TEST_CASE("jumps in a circle end") {
    const std::string circle = R"(, {"chain": {"family": "inet", "table": "t", "name": "d", "handle": 2}},
        {"rule": {"family": "inet", "table": "t", "chain": "d", "handle": 8, "expr": [{"jump": {"target": "d"}}]}},
        {"rule": {"family": "inet", "table": "t", "chain": "d", "handle": 9, "expr": [{"jump": {"target": "d"}}]}})";
    CHECK(rules(R"([{"jump": {"target": "d"}}])", circle).judge(tcp(80)).kind == Kind::unknown);
}

TEST_CASE("a verdict of one base chain does not end the others") {
    const std::string later =
        R"(, {"chain": {"family": "inet", "table": "t", "name": "late", "handle": 3, "type": "filter", "hook": "input",
        "prio": 10, "policy": "drop"}})";
    const auto verdict = rules(R"([{"accept": null}])", later).judge(tcp(80));
    CHECK(verdict.kind == Kind::dropped);
    CHECK(verdict.rule == "inet t late: policy drop");
}

TEST_CASE("forged sources are no clients") {
    const auto forged = rules(R"([{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
        "right": {"set": [{"prefix": {"addr": "127.0.0.0", "len": 8}}, {"prefix": {"addr": "224.0.0.0", "len": 3}}]}}}, {"drop": null}])");
    CHECK(forged.judge(tcp(80)).kind == Kind::passes);
}

TEST_CASE("legacy tables are judged from their save") {
    const auto legacy =
        ruleset({.iptables_legacy = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
                                    "-A INPUT -d 203.0.113.10/32 -p tcp -m tcp --dport 80 -j DROP\n-A INPUT -m recent "
                                    "--update -j DROP\nCOMMIT\n"});
    const auto verdict = legacy.judge(tcp(80));
    CHECK(verdict.rule == "iptables-legacy filter INPUT: -A INPUT -d 203.0.113.10/32 -p tcp -m tcp --dport 80 -j DROP");
    CHECK(verdict.fix == "iptables-legacy -t filter -D INPUT -d 203.0.113.10/32 -p tcp -m tcp --dport 80 -j DROP");
    CHECK(legacy.judge(tcp(443)).kind == Kind::unknown);
    CHECK(legacy.judge(reply()).kind == Kind::passes);
}

TEST_CASE("what is no ruleset is refused in a sentence") {
    CHECK(Ruleset::parse("{").error().message == "what nft printed is not JSON");
    CHECK(Ruleset::parse("[]").error().message == "what nft printed is no ruleset: it has no list 'nftables'");
    CHECK(Ruleset::parse(std::string(100'000, '[')).error().message ==
          "the ruleset that nft printed is nested too deeply");
    CHECK(!Ruleset::parse(std::string())->filters_anything());
    CHECK(Ruleset::parse(std::string())->judge(tcp(80)).kind == Kind::passes);
}

TEST_CASE("a set of 200,000 addresses is judged") {
    std::string elements;
    for (int i = 0; i < 200'000; ++i)
        elements += "\"10." + std::to_string(i >> 16) + "." + std::to_string((i >> 8) & 255) + "." +
                    std::to_string(i & 255) + "\",";
    const auto large = rules(
        R"([{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": {"set": [)" +
        elements + R"("203.0.113.10"]}}}, {"drop": null}])");
    CHECK(large.judge(tcp(80)).kind == Kind::dropped);
}
