#include <catch2/catch.hpp>
#include <functional>

#include "fake_kernel.hpp"
#include "serverprep/difference.hpp"
#include "serverprep/judge/judge.hpp"

using namespace dsr;
using namespace dsr::serverprep;

namespace {

Desired desired_on_eth0() {
    Desired desired;
    desired.vips.emplace_back().vip = ip("203.0.113.10");
    desired.vips.back().interface = "eth0";
    return desired;
}

const Desired kDesired = desired_on_eth0();

std::vector<Finding> findings(FakeKernel& kernel, const Desired& desired = kDesired, const Request& request = {}) {
    const Observed observed = observe(kernel, desired.interfaces()).value();
    Evidence evidence = ask_paths(kernel, request, desired, observed);
    if (!desired.ports.empty()) ask_services(kernel, evidence);
    const std::vector<Step> steps = difference(desired, observed, {});
    return judge({desired, observed, steps, evidence});
}

void prepare_all(FakeKernel& kernel, const Desired& desired = kDesired) {
    for (const Step& step : difference(desired, observe(kernel, desired.interfaces()).value(), {}))
        REQUIRE(perform(kernel, step).has_value());
}

struct Fault {
    std::string id;
    std::string fix;
    std::function<void(FakeKernel&)> make;
};

void move_vip(FakeKernel& kernel, int link, const char* to) {
    kernel.address_list.pop_back();
    if (to != nullptr) kernel.address_list.push_back({link, prefix(to), {}, netlink::kScopeGlobal, 0});
}

}  // namespace

TEST_CASE("a prepared host has no finding") {
    FakeKernel kernel;
    prepare_all(kernel);
    CHECK(findings(kernel).empty());
}

TEST_CASE("each fault alone is named by its id and no other, with its fix") {
    const std::string again = " && serverprep --vip 203.0.113.10 --interface eth0";
    const auto set = [](SettingName name, const char* where, std::uint32_t value) {
        return [=](FakeKernel& kernel) { kernel.at(name, where) = value; };
    };
    const std::vector<Fault> faults{
        {"vip-missing", "serverprep --vip 203.0.113.10 --interface eth0", [](auto& k) { move_vip(k, 1, nullptr); }},
        {"interface-down", "ip link set eth0 up", [](auto& k) { k.link_list.at(1).up = false; }},
        {"vip-missing", "ip link set dev lo up", set(SettingName::link_up, "lo", 0)},
        {"vip-prefix", "ip address delete 203.0.113.10/24 dev lo" + again,
         [](auto& k) { move_vip(k, 1, "203.0.113.10/24"); }},
        {"vip-on-interface", "ip address delete 203.0.113.10/32 dev eth0" + again,
         [](auto& k) { move_vip(k, 2, "203.0.113.10/32"); }},
        {"arp-ignore", "sysctl -w net.ipv4.conf.all.arp_ignore=1", set(SettingName::arp_ignore, "all", 0)},
        {"arp-ignore", "sysctl -w net.ipv4.conf.eth0.arp_ignore=1", set(SettingName::arp_ignore, "eth0", 8)},
        {"arp-announce", "sysctl -w net.ipv4.conf.all.arp_announce=2", set(SettingName::arp_announce, "all", 1)},
        {"rp-filter", "sysctl -w net.ipv4.conf.eth0.rp_filter=2", set(SettingName::rp_filter, "eth0", 1)},
        {"send-redirects", "sysctl -w net.ipv4.conf.eth0.send_redirects=0",
         set(SettingName::send_redirects, "eth0", 1)},
        {"ip-forward", "sysctl -w net.ipv4.ip_forward=1", set(SettingName::ip_forward, "", 0)},
    };
    for (const Fault& fault : faults) {
        FakeKernel kernel;
        prepare_all(kernel);
        fault.make(kernel);
        const std::vector<Finding> found = findings(kernel);
        CAPTURE(fault.id, fault.fix);
        REQUIRE(found.size() == 1);
        CHECK(found[0].id == fault.id);
        CHECK(found[0].fix == fault.fix);
    }
}

TEST_CASE("a host without the VIP may drop its packets or route them on: the message says both") {
    FakeKernel kernel;
    prepare_all(kernel);
    move_vip(kernel, 1, nullptr);
    REQUIRE(findings(kernel).size() == 1);
    CHECK(findings(kernel)[0].message ==
          "this host does not own the VIP: it drops packets for it, or routes them back");
}

TEST_CASE("a strict filter is an error only if the default route leaves by another interface") {
    FakeKernel kernel;
    prepare_all(kernel);
    kernel.at(SettingName::rp_filter, "eth0") = 1;
    REQUIRE(findings(kernel).size() == 1);
    CHECK(findings(kernel)[0].severity == Severity::warning);
    kernel.route_list[0].link_index = 3;
    REQUIRE(findings(kernel).size() == 1);
    CHECK(findings(kernel)[0].severity == Severity::error);
}

TEST_CASE("a filter that is off is raised without being called a fault") {
    FakeKernel kernel;
    prepare_all(kernel);
    kernel.at(SettingName::rp_filter, "eth0") = 0;
    CHECK(findings(kernel).empty());
    CHECK(difference(kDesired, observe(kernel, {"eth0"}).value(), {}).size() == 1);
}

TEST_CASE("a VIP on an interface without ARP is not one that answers ARP") {
    FakeKernel kernel;
    prepare_all(kernel);
    kernel.add_link(4, "dummy0", false);
    kernel.link_list.back().arp = false;
    kernel.address_list.push_back({4, prefix("203.0.113.10/32"), "dummy0", netlink::kScopeGlobal, 0});
    CHECK(findings(kernel).empty());
}
