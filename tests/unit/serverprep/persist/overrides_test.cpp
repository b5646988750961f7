#include "serverprep/persist/overrides.hpp"

#include <catch2/catch.hpp>

#include "example.hpp"

using namespace dsr;
using namespace dsr::serverprep;
using namespace dsr::serverprep::persist;

namespace {

std::vector<Override> of_sysctl(const std::string& text) {
    return sysctl_overrides(example().settings, {{"/etc/sysctl.d/zzz.conf", text}});
}

std::vector<Override> of_networkd(const std::string& text) {
    return networkd_overrides(example().settings, {{"/etc/systemd/network/a.network", text}});
}

}  // namespace

TEST_CASE("every way to spell a key is understood") {
    for (const char* line : {"net.ipv4.conf.eth0/5.rp_filter = 1", "net/ipv4/conf/eth0.5/rp_filter=1",
                             "-net/ipv4/conf/eth0.5/rp_filter = 1", "  net/ipv4/conf/eth0.5/rp_filter\t=  1  "}) {
        INFO(line);
        REQUIRE(of_sysctl(line).size() == 1);
        CHECK(of_sysctl(line)[0].value == "1");
    }
}

TEST_CASE("the same value, another key, a comment and a glob override nothing") {
    for (const char* line : {"net/ipv4/conf/eth0.5/rp_filter = 2", "net.ipv4.conf.eth1.rp_filter = 1",
                             "#net/ipv4/conf/eth0.5/rp_filter = 1", ";net/ipv4/ip_forward=1",
                             "net.ipv4.conf.*.rp_filter = 1", "net/ipv4/conf/eth0.5/rp_filter"}) {
        INFO(line);
        CHECK(of_sysctl(line).empty());
    }
}

TEST_CASE("a dash without a value keeps a setting from being made") {
    const auto found = of_sysctl("-net.ipv4.conf.all.arp_ignore\n");
    REQUIRE(found.size() == 1);
    CHECK_FALSE(found[0].value.has_value());
}

TEST_CASE("the last line that is read counts") {
    CHECK(of_sysctl("net.ipv4.ip_forward=1\nnet.ipv4.ip_forward=0\n").empty());
    const auto found = of_sysctl("net.ipv4.ip_forward=0\nnet.ipv4.ip_forward=1\n");
    REQUIRE(found.size() == 1);
    CHECK(found[0].line == 2);
}

TEST_CASE("forwarding of 'all' is ip_forward by another name") {
    CHECK(of_sysctl("net.ipv4.conf.all.forwarding = 1").size() == 1);
}

TEST_CASE("networkd's filter is judged for the link that its file matches") {
    CHECK(of_networkd("[Match]\nName=eth*\n[Network]\nIPv4ReversePathFilter=no\n").size() == 1);
    CHECK(of_networkd("[Match]\nName=eth*\n[Network]\nIPv4ReversePathFilter=loose\n").empty());
    CHECK(of_networkd("[Match]\nName=ens3 br0\n[Network]\nIPv4ReversePathFilter=no\n").empty());
    CHECK(of_networkd("[Match]\nName=!eth0.5\n[Network]\nIPv4ReversePathFilter=no\n").empty());
    CHECK(of_networkd("[Match]\nDriver=virtio\n[Network]\nIPv4ReversePathFilter=no\n").empty());
}

TEST_CASE("the first .network file that matches has the link") {
    CHECK(networkd_overrides(example().settings, {{"a", "[Match]\nName=eth0.5\n"},
                                                  {"b", "[Match]\nName=eth0.5\n[Network]\nIPv4ReversePathFilter=no\n"}})
              .empty());
}

TEST_CASE("networkd turns forwarding on for the whole host, and never off") {
    CHECK(of_networkd("[Match]\nName=ens9\n[Network]\nIPForward=yes\n").size() == 1);
    CHECK(of_networkd("[Match]\nName=ens9\n[Network]\nIPForward=ipv6\n").empty());
    CHECK(of_networkd("[Match]\nName=ens9\n[Network]\nIPForward=no\n").empty());
}

TEST_CASE("interfaces(5) commands are found in both spellings") {
    for (const char* line :
         {"  up sysctl -w net.ipv4.conf.all.arp_ignore=0", "post-up /sbin/sysctl -q -w net/ipv4/conf/all/arp_ignore=0",
          "  pre-up echo 0 > /proc/sys/net/ipv4/conf/all/arp_ignore || true"}) {
        INFO(line);
        CHECK(ifupdown_overrides(example().settings, {{"/etc/network/interfaces", line}}).size() == 1);
    }
    CHECK(ifupdown_overrides(example().settings, {{"i", "up sysctl -w net.ipv4.conf.all.arp_ignore=1"}}).empty());
}
