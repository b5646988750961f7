#include "serverprep/state.hpp"

#include <catch2/catch.hpp>

#include "fake_kernel.hpp"

using namespace dsr;
using namespace dsr::serverprep;

namespace {

RememberedVip remembered(const char* vip, bool ip_forward) {
    RememberedVip entry;
    entry.served.vip = ip(vip);
    entry.served.interface = "eth0";
    entry.served.ip_forward = ip_forward;
    entry.own_address = true;
    return entry;
}

State example() {
    State state;
    state.vips.emplace(ip("203.0.113.10"), remembered("203.0.113.10", true));
    state.vips.emplace(ip("203.0.113.11"), remembered("203.0.113.11", false));
    RememberedSetting forward;
    forward.written = 1;
    forward.collateral = {{{SettingName::forwarding, "eth1"}, 1}, {{SettingName::accept_redirects, "all"}, 1}};
    state.settings.emplace(Setting{SettingName::ip_forward, {}}, forward);
    RememberedSetting filter;
    filter.link_index = 2;
    filter.before = 1;
    filter.written = 2;
    state.settings.emplace(Setting{SettingName::rp_filter, "eth0"}, filter);
    return state;
}

State full_example() {
    State state = example();
    state.persistent = state.guarded = true;
    ServedVip& served = state.vips.at(ip("203.0.113.11")).served;
    served.dsr_type = config::DsrType::l3;
    served.decap = DecapKind::ipip;
    served.load_balancers = {prefix("10.0.0.2/32"), prefix("10.9.0.0/24")};
    served.path_mtu = 1500;
    served.from_config = true;
    state.own_tunnels = {{"dsr-ipip0", ip("10.0.0.2")}};
    state.own_tunnel_addresses = {"tunl0"};
    state.own_clsacts = {"eth0"};
    return state;
}

Undo undo_for(const State& state, const std::set<wire::Ipv4Address>& vips, const Observed& observed) {
    std::vector<ServedVip> staying = state.served();
    std::erase_if(staying, [&](const ServedVip& served) { return vips.contains(served.vip); });
    return undo(state, vips, staying, observed);
}

}  // namespace

TEST_CASE("the state survives being written and read") {
    for (const State& state : {example(), full_example()}) {
        const auto read = state_from_json(to_json(state, "boot-1"), "boot-1");
        REQUIRE(read.has_value());
        CHECK(*read == state);
    }
}

TEST_CASE("the state of another boot is forgotten") {
    const auto read = state_from_json(to_json(example(), "boot-1"), "boot-2");
    REQUIRE(read.has_value());
    CHECK(read->empty());
}

TEST_CASE("a state file cut off anywhere is an error and never an empty state") {
    std::string text = to_json(example(), "boot-1");
    text.pop_back();  // the newline is no part of the document
    for (std::size_t size = 0; size < text.size(); ++size) {
        CAPTURE(size);
        REQUIRE_FALSE(state_from_json(text.substr(0, size), "boot-1").has_value());
    }
}

TEST_CASE("a setting is put back only when no VIP needs it any more") {
    FakeKernel kernel;
    kernel.at(SettingName::rp_filter, "eth0") = 2;
    const Observed observed = observe(kernel, {"eth0"}).value();
    const Undo first = undo_for(example(), {ip("203.0.113.10")}, observed);
    for (const Step& step : first.steps)
        CHECK(object(step) != "net.ipv4.conf.eth0.rp_filter");
    const Undo second = undo_for(first.after, {ip("203.0.113.11")}, observed);
    REQUIRE(second.steps.size() == 1);
    CHECK(command(second.steps[0]) == "sysctl -w net.ipv4.conf.eth0.rp_filter=1");
    CHECK(second.after.empty());
}

TEST_CASE("a value somebody changed since is kept") {
    FakeKernel kernel;
    kernel.at(SettingName::rp_filter, "eth0") = 0;
    const Undo plan = undo_for(example(), {ip("203.0.113.10"), ip("203.0.113.11")}, observe(kernel, {"eth0"}).value());
    const auto kept = std::ranges::find(plan.steps, StepStatus::kept, &Step::status);
    REQUIRE(kept != plan.steps.end());
    CHECK(object(*kept) == "net.ipv4.conf.eth0.rp_filter");
    CHECK(plan.after.empty());
}

TEST_CASE("a link that was made anew is not given the settings of the old one") {
    FakeKernel kernel;
    kernel.link_list[1].index = 12;
    kernel.at(SettingName::rp_filter, "eth0") = 2;
    const Undo plan = undo_for(example(), {ip("203.0.113.10"), ip("203.0.113.11")}, observe(kernel, {"eth0"}).value());
    for (const Step& step : plan.steps)
        CHECK(object(step) != "net.ipv4.conf.eth0.rp_filter");
}

TEST_CASE("an address that took our VIP's place is not ours to delete") {
    FakeKernel kernel;
    kernel.address_list.push_back({1, prefix("203.0.113.10/32"), "lo:0", netlink::kScopeGlobal, 0});
    const Undo plan = undo_for(example(), {ip("203.0.113.10")}, observe(kernel, {"eth0"}).value());
    REQUIRE_FALSE(plan.steps.empty());
    CHECK(plan.steps[0].status == StepStatus::kept);
    CHECK(after_text(plan.steps[0]) == "present");
}
