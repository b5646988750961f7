#include "serverprep/state.hpp"

#include <catch2/catch.hpp>

#include "fake_kernel.hpp"

using namespace dsr;
using namespace dsr::serverprep;

namespace {

State example() {
    State state;
    state.own_vips = {ip("203.0.113.10"), ip("203.0.113.11")};
    RememberedSetting forward;
    forward.written = 1;
    forward.collateral = {{{SettingName::forwarding, "eth1"}, 1}, {{SettingName::accept_redirects, "all"}, 1}};
    forward.needed_by = {ip("203.0.113.10")};
    state.settings.emplace(Setting{SettingName::ip_forward, {}}, forward);
    RememberedSetting filter;
    filter.link_index = 2;
    filter.before = 1;
    filter.written = 2;
    filter.needed_by = {ip("203.0.113.10"), ip("203.0.113.11")};
    state.settings.emplace(Setting{SettingName::rp_filter, "eth0"}, filter);
    return state;
}

}  // namespace

TEST_CASE("the state survives being written and read") {
    const auto read = state_from_json(to_json(example(), "boot-1"), "boot-1");
    REQUIRE(read.has_value());
    CHECK(*read == example());
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
    const Undo first = undo(example(), {ip("203.0.113.10")}, observed);
    for (const Step& step : first.steps)
        CHECK(object(step) != "net.ipv4.conf.eth0.rp_filter");
    const Undo second = undo(first.after, {ip("203.0.113.11")}, observed);
    REQUIRE(second.steps.size() == 1);
    CHECK(command(second.steps[0]) == "sysctl -w net.ipv4.conf.eth0.rp_filter=1");
    CHECK(second.after.empty());
}

TEST_CASE("a value somebody changed since is kept") {
    FakeKernel kernel;
    kernel.at(SettingName::rp_filter, "eth0") = 0;
    const Undo plan = undo(example(), {ip("203.0.113.10"), ip("203.0.113.11")}, observe(kernel, {"eth0"}).value());
    const auto kept = std::ranges::find(plan.steps, StepStatus::kept, &Step::status);
    REQUIRE(kept != plan.steps.end());
    CHECK(object(*kept) == "net.ipv4.conf.eth0.rp_filter");
    CHECK(plan.after.empty());
}

TEST_CASE("a link that was made anew is not given the settings of the old one") {
    FakeKernel kernel;
    kernel.link_list[1].index = 12;
    kernel.at(SettingName::rp_filter, "eth0") = 2;
    const Undo plan = undo(example(), {ip("203.0.113.10"), ip("203.0.113.11")}, observe(kernel, {"eth0"}).value());
    for (const Step& step : plan.steps)
        CHECK(object(step) != "net.ipv4.conf.eth0.rp_filter");
}

TEST_CASE("an address that took our VIP's place is not ours to delete") {
    FakeKernel kernel;
    kernel.address_list.push_back({1, prefix("203.0.113.10/32"), "lo:0", netlink::kScopeGlobal, 0});
    const Undo plan = undo(example(), {ip("203.0.113.10")}, observe(kernel, {"eth0"}).value());
    REQUIRE_FALSE(plan.steps.empty());
    CHECK(plan.steps[0].status == StepStatus::kept);
    CHECK(after_text(plan.steps[0]) == "present");
}
