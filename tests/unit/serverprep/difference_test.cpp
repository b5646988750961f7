#include "serverprep/difference.hpp"

#include <catch2/catch.hpp>

#include "fake_kernel.hpp"

using namespace dsr;
using namespace dsr::serverprep;

namespace {

Desired wanted(std::vector<wire::Ipv4Address> vips = {ip("203.0.113.10")}) {
    Desired desired;
    for (wire::Ipv4Address vip : vips) {
        desired.vips.emplace_back().vip = vip;
        desired.vips.back().interface = "eth0";
    }
    return desired;
}

std::vector<std::string> commands(FakeKernel& kernel, const Desired& desired) {
    const Observed observed = observe(kernel, desired.interfaces()).value();
    const std::vector<Step> steps = difference(desired, observed, {});
    std::vector<std::string> texts;
    texts.reserve(steps.size());
    for (const Step& step : steps)
        texts.push_back(command(step));
    return texts;
}

std::vector<std::string> commands_for(FakeKernel& kernel, SettingName name) {
    std::vector<std::string> all = commands(kernel, wanted());
    std::erase_if(all, [&](const std::string& text) { return text.find(to_string(name)) == std::string::npos; });
    return all;
}

}  // namespace

TEST_CASE("an untouched host needs ip_forward first and the VIP last") {
    FakeKernel kernel;
    CHECK(commands(kernel, wanted()) == std::vector<std::string>{
                                            "sysctl -w net.ipv4.ip_forward=1",
                                            "ip link set dev lo arp off",
                                            "sysctl -w net.ipv4.conf.all.arp_ignore=1",
                                            "sysctl -w net.ipv4.conf.all.arp_announce=2",
                                            "sysctl -w net.ipv4.conf.eth0.rp_filter=2",
                                            "sysctl -w net.ipv4.conf.all.send_redirects=0",
                                            "sysctl -w net.ipv4.conf.eth0.send_redirects=0",
                                            "ip address add 203.0.113.10/32 dev lo label lo:0 scope host",
                                        });
}

TEST_CASE("doing the steps leaves nothing to do") {
    FakeKernel kernel;
    const Desired desired = wanted({ip("203.0.113.10"), ip("203.0.113.11")});
    for (const Step& step : difference(desired, observe(kernel, {"eth0"}).value(), {}))
        REQUIRE(perform(kernel, step).has_value());
    CHECK(commands(kernel, desired).empty());
}

TEST_CASE("--no-ip-forward leaves ip_forward, and redirects too while nothing is forwarded") {
    FakeKernel kernel;
    Desired desired = wanted();
    desired.vips[0].ip_forward = false;
    for (const std::string& text : commands(kernel, desired)) {
        CHECK(text.find("ip_forward") == std::string::npos);
        CHECK(text.find("send_redirects") == std::string::npos);
    }
    kernel.at(SettingName::forwarding, "eth0") = 1;
    CHECK(commands(kernel, desired).size() == 7);
}

TEST_CASE("labels take the lowest numbers that are free") {
    FakeKernel kernel;
    kernel.address_list.push_back({1, prefix("198.51.100.1/32"), "lo:1", netlink::kScopeGlobal, 0});
    const auto all = commands(kernel, wanted({ip("203.0.113.10"), ip("203.0.113.11")}));
    REQUIRE(all.size() == 9);
    CHECK(all[7] == "ip address add 203.0.113.10/32 dev lo label lo:0 scope host");
    CHECK(all[8] == "ip address add 203.0.113.11/32 dev lo label lo:2 scope host");
}

TEST_CASE("a VIP/32 on lo is left as it is, whatever its label and scope") {
    FakeKernel kernel;
    kernel.address_list.push_back({1, prefix("203.0.113.10/32"), "lo", netlink::kScopeGlobal, 0});
    for (const std::string& text : commands(kernel, wanted()))
        CHECK(text.find("address") == std::string::npos);
}

TEST_CASE("effective arp_ignore is judged by meaning and mended where it is spoilt") {
    struct Row {
        std::uint32_t all, link;
        std::vector<std::string> expected;
    };
    const std::string all_1 = "sysctl -w net.ipv4.conf.all.arp_ignore=1";
    const std::string link_1 = "sysctl -w net.ipv4.conf.eth0.arp_ignore=1";
    const auto row = GENERATE_COPY(Row{0, 0, {all_1}}, Row{1, 0, {}}, Row{0, 1, {}}, Row{2, 0, {}}, Row{0, 2, {}},
                                   Row{8, 0, {all_1}}, Row{0, 8, {link_1}}, Row{8, 8, {all_1, link_1}},
                                   Row{2, 4, {link_1}}, Row{5, 2, {all_1}}, Row{99, 1, {all_1}});
    FakeKernel kernel;
    kernel.at(SettingName::arp_ignore, "all") = row.all;
    kernel.at(SettingName::arp_ignore, "eth0") = row.link;
    CAPTURE(row.all, row.link);
    CHECK(commands_for(kernel, SettingName::arp_ignore) == row.expected);
}

TEST_CASE("arp_ignore 3 is enough for our own VIPs and not for one of global scope") {
    FakeKernel kernel;
    kernel.at(SettingName::arp_ignore, "eth0") = 3;
    CHECK(commands_for(kernel, SettingName::arp_ignore).empty());
    kernel.address_list.push_back({1, prefix("203.0.113.10/32"), "lo:0", netlink::kScopeGlobal, 0});
    CHECK(commands_for(kernel, SettingName::arp_ignore).size() == 1);
}

TEST_CASE("arp_announce above 2 is lowered, and rp_filter 2 on all is enough") {
    FakeKernel kernel;
    kernel.at(SettingName::arp_announce, "eth0") = 3;
    CHECK(commands_for(kernel, SettingName::arp_announce) ==
          std::vector<std::string>{"sysctl -w net.ipv4.conf.eth0.arp_announce=2"});
    kernel.at(SettingName::rp_filter, "all") = 2;
    kernel.at(SettingName::rp_filter, "eth0") = 1;
    CHECK(commands_for(kernel, SettingName::rp_filter).empty());
}

TEST_CASE("a dot in a link's name becomes a slash for sysctl") {
    CHECK(to_string(Setting{SettingName::rp_filter, "eth0.100"}) == "net.ipv4.conf.eth0/100.rp_filter");
}
