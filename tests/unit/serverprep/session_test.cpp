#include "serverprep/session.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "fake_kernel.hpp"
#include "serverprep/report.hpp"
#include "state_directory.hpp"

using namespace dsr;
using namespace dsr::serverprep;

namespace {

const Request kRequest = request_for({ip("203.0.113.10"), ip("203.0.113.11")});
constexpr int kChanges = 9;  // of preparing the fake host for two VIPs

// Settings that differ from what ip_forward's reset would leave, so that an inexact undo shows.
void make_peculiar(FakeKernel& kernel) {
    kernel.at(SettingName::forwarding, "eth1") = 1;
    kernel.at(SettingName::rp_filter, "eth0") = 1;
    kernel.at(SettingName::accept_redirects, "all") = 0;
}

Report run(FakeKernel& kernel, const StateDirectory& state, const Request& request = kRequest) {
    return prepare(request, {}, kernel, state.path());
}

Report take_back(FakeKernel& kernel, const StateDirectory& state, const Request& request = kRequest) {
    return unprepare(request, {}, kernel, state.path());
}

}  // namespace

TEST_CASE("apply, apply again, undo: changed, unchanged, exactly as before") {
    FakeKernel kernel;
    make_peculiar(kernel);
    const auto before = kernel.dump();
    const StateDirectory state;

    const Report first = run(kernel, state);
    CHECK(first.ok());
    CHECK(first.changed());
    CHECK(first.steps.size() == kChanges);
    CHECK(kernel.changes == kChanges);

    const auto prepared = kernel.dump();
    const Report second = run(kernel, state);
    CHECK(second.ok());
    CHECK_FALSE(second.changed());
    CHECK(kernel.dump() == prepared);

    CHECK(take_back(kernel, state).exit == Exit::ok);
    CHECK(kernel.dump() == before);
    CHECK_FALSE(state.remembers());
}

TEST_CASE("check and dry run change nothing and leave no trace") {
    FakeKernel kernel;
    const auto before = kernel.dump();
    const StateDirectory state;
    CHECK(prepare(kRequest, {.action = Action::check}, kernel, state.path()).exit == Exit::different);
    CHECK(prepare(kRequest, {.action = Action::dry_run}, kernel, state.path()).exit == Exit::ok);
    CHECK(kernel.dump() == before);
    CHECK(std::filesystem::is_empty(state.path()));
    REQUIRE(run(kernel, state).ok());
    CHECK(prepare(kRequest, {.action = Action::check}, kernel, state.path()).exit == Exit::ok);
    CHECK(unprepare(kRequest, {.action = Action::check}, kernel, state.path()).exit == Exit::different);
}

TEST_CASE("whichever step fails, all that was done is taken back and nothing is remembered") {
    const int failing = GENERATE(range(0, kChanges));
    CAPTURE(failing);
    FakeKernel kernel;
    make_peculiar(kernel);
    const auto before = kernel.dump();
    const StateDirectory state;
    kernel.refuse_change = failing;
    const Report report = run(kernel, state);
    CHECK(report.exit == Exit::failed);
    CHECK_FALSE(report.changed());
    CHECK(report.error.find("Read-only file system") != std::string::npos);
    CHECK(kernel.dump() == before);
    CHECK_FALSE(state.remembers());
}

TEST_CASE("a setting that does not keep its value rolls everything back") {
    FakeKernel kernel;
    const auto before = kernel.dump();
    const StateDirectory state;
    kernel.ignored = Setting{SettingName::arp_announce, "all"};
    const Report report = run(kernel, state);
    CHECK(report.exit == Exit::failed);
    CHECK(report.error == "net.ipv4.conf.all.arp_announce: the kernel took it, and did not keep it");
    CHECK(kernel.dump() == before);
}

TEST_CASE("killed at any moment of preparing, --remove still restores exactly") {
    const int moment = GENERATE(range(0, kChanges));
    const bool run_again = GENERATE(false, true);
    CAPTURE(moment, run_again);
    FakeKernel kernel;
    make_peculiar(kernel);
    const auto before = kernel.dump();
    const StateDirectory state;
    kernel.kill_before_change = moment;
    REQUIRE_THROWS_AS(run(kernel, state), Killed);
    if (run_again) {
        CHECK(run(kernel, state).ok());
    }
    CHECK(take_back(kernel, state).exit == Exit::ok);
    CHECK(kernel.dump() == before);
    CHECK_FALSE(state.remembers());
}

TEST_CASE("killed at any moment of removing, the next --remove finishes the work") {
    FakeKernel reference;
    make_peculiar(reference);
    const StateDirectory reference_state;
    REQUIRE(run(reference, reference_state).ok());
    reference.changes = 0;
    REQUIRE(take_back(reference, reference_state).exit == Exit::ok);
    const int moments = reference.changes;
    REQUIRE(moments > kChanges);  // and the settings that ip_forward's reset would have lost

    for (int moment = 0; moment < moments; ++moment) {
        CAPTURE(moment);
        FakeKernel kernel;
        make_peculiar(kernel);
        const auto before = kernel.dump();
        const StateDirectory state;
        REQUIRE(run(kernel, state).ok());
        kernel.changes = 0;
        kernel.kill_before_change = moment;
        REQUIRE_THROWS_AS(take_back(kernel, state), Killed);
        CHECK(take_back(kernel, state).exit == Exit::ok);
        CHECK(kernel.dump() == before);
    }
}

TEST_CASE("removing one VIP resets nothing that another needs, in whichever order they came") {
    const bool first_goes_first = GENERATE(true, false);
    FakeKernel kernel;
    make_peculiar(kernel);
    const auto before = kernel.dump();
    const StateDirectory state;
    const Request a = request_for({ip("203.0.113.10")});
    const Request b = request_for({ip("203.0.113.11")});
    REQUIRE(run(kernel, state, a).ok());
    REQUIRE(run(kernel, state, b).ok());
    const Request& goes = first_goes_first ? a : b;
    const Request& stays = first_goes_first ? b : a;
    REQUIRE(take_back(kernel, state, goes).exit == Exit::ok);
    CHECK(prepare(stays, {.action = Action::check}, kernel, state.path()).exit == Exit::ok);
    CHECK(prepare(goes, {.action = Action::check}, kernel, state.path()).findings.size() == 1);
    REQUIRE(take_back(kernel, state, stays).exit == Exit::ok);
    CHECK(kernel.dump() == before);
}

TEST_CASE("--remove without VIPs undoes all there is, and once more is nothing") {
    FakeKernel kernel;
    const auto before = kernel.dump();
    const StateDirectory state;
    REQUIRE(run(kernel, state).ok());
    CHECK(take_back(kernel, state, request_for({})).vips.size() == 2);
    CHECK(kernel.dump() == before);
    const Report again = take_back(kernel, state, request_for({}));
    CHECK(again.exit == Exit::ok);
    CHECK(again.steps.empty());
}

TEST_CASE("a VIP on lo that nobody recorded is not removed silently: it is named with the command") {
    FakeKernel kernel;
    kernel.address_list.push_back({1, prefix("203.0.113.10/32"), "lo:0", netlink::kScopeHost, 0});
    const auto before = kernel.dump();
    const StateDirectory state;
    for (const Request& request : {kRequest, request_for({})}) {
        const Report report = take_back(kernel, state, request);
        CHECK(report.exit == Exit::ok);
        CHECK(report.steps.empty());
        REQUIRE(report.findings.size() == 1);  // not 127.0.0.1
        CHECK(report.findings[0].id == "vip-kept");
        CHECK(report.findings[0].severity == Severity::warning);
        CHECK(report.findings[0].message ==
              "203.0.113.10 is on lo, but there is no record that serverprep put it there");
        CHECK(report.findings[0].fix == "ip address delete 203.0.113.10/32 dev lo");
        for (const Action action : {Action::apply, Action::check}) {
            const std::string text = format_text(report, {action, true}, sys::Painter(false));
            CHECK(text.ends_with("\nnothing to undo that is on record\n"));
        }
    }
    CHECK(take_back(kernel, state, request_for({ip("203.0.113.12")})).findings.empty());
    CHECK(kernel.dump() == before);
}

TEST_CASE("where a VIP cannot be taken off again, what keeps quiet about it stays, and is on record") {
    FakeKernel kernel;
    const StateDirectory state;
    kernel.refuse_removals = true;
    kernel.refuse_change = kChanges - 1;  // the second VIP
    const Report report = run(kernel, state);
    CHECK(report.exit == Exit::failed);
    CHECK(report.error.find("could not be taken back: address 203.0.113.10/32") != std::string::npos);
    CHECK(kernel.at(SettingName::arp_ignore, "all") == 1);
    CHECK(kernel.at(SettingName::arp_announce, "all") == 2);
    CHECK(state.remembers());
    kernel.refuse_removals = false;
    CHECK(take_back(kernel, state, request_for({})).exit == Exit::ok);
    CHECK(kernel.at(SettingName::arp_ignore, "all") == 0);
}

TEST_CASE("--fix puts on record what it did, and not that this host serves the VIP") {
    FakeKernel kernel;
    kernel.at(SettingName::rp_filter, "eth0") = 1;
    const auto before = kernel.dump();
    const StateDirectory state;
    CHECK(prepare(kRequest, {.action = Action::fix, .fix_id = "rp-filter"}, kernel, state.path()).exit == Exit::ok);
    CHECK(kernel.at(SettingName::rp_filter, "eth0") == 2);
    CHECK(restore({}, kernel, state.path()).vips.empty());
    CHECK(take_back(kernel, state, request_for({})).exit == Exit::ok);
    CHECK(kernel.dump() == before);
}

TEST_CASE("removing a VIP that was never prepared, while others were, is no silent success") {
    FakeKernel kernel;
    const StateDirectory state;
    REQUIRE(run(kernel, state).ok());
    const Report report = take_back(kernel, state, request_for({ip("203.0.113.99")}));
    CHECK(report.exit == Exit::ok);
    REQUIRE(report.findings.size() == 1);
    CHECK(report.findings[0].id == "vip-unknown");
    CHECK(report.findings[0].message == "there is no record of this VIP; there is one of 203.0.113.10, 203.0.113.11");
}

TEST_CASE("what is on record is removed without a word about others' addresses on lo") {
    FakeKernel kernel;
    kernel.address_list.push_back({1, prefix("198.51.100.1/32"), "lo", netlink::kScopeGlobal, 0});
    const StateDirectory state;
    REQUIRE(run(kernel, state).ok());
    const Report report = take_back(kernel, state, request_for({}));
    CHECK(report.changed());
    CHECK(report.findings.empty());
}

TEST_CASE("a VIP that is on an interface, or too wide on lo, is left for the user and nothing is changed") {
    FakeKernel kernel;
    const bool on_interface = GENERATE(true, false);
    kernel.address_list.push_back({on_interface ? 2 : 1, prefix("203.0.113.10/24"), {}, netlink::kScopeGlobal, 0});
    const auto before = kernel.dump();
    const StateDirectory state;
    const Report report = run(kernel, state);
    CHECK(report.exit == Exit::failed);
    CHECK_FALSE(report.changed());
    CHECK(report.findings.front().id == (on_interface ? "vip-on-interface" : "vip-prefix"));
    CHECK(kernel.dump() == before);
    CHECK_FALSE(state.remembers());
}

TEST_CASE("on an interface that is down nothing is changed, and the host is not called ready") {
    FakeKernel kernel;
    const StateDirectory state;
    const bool prepared = GENERATE(false, true);
    if (prepared) {
        REQUIRE(run(kernel, state).ok());
    }
    kernel.link_list.at(1).up = false;
    const auto before = kernel.dump();
    Request request = kRequest;
    request.interface = "eth0";
    const Report report = run(kernel, state, request);
    CHECK(report.exit == Exit::failed);
    CHECK_FALSE(report.ok());
    REQUIRE_FALSE(report.findings.empty());
    CHECK(report.findings.front().id == "interface-down");
    CHECK(kernel.dump() == before);
    CHECK(prepare(request, {.action = Action::check}, kernel, state.path()).exit == Exit::different);
    const Report dry = prepare(request, {.action = Action::dry_run}, kernel, state.path());
    CHECK(format_text(dry, {Action::dry_run, false}, sys::Painter(false))
              .starts_with("# interface-down on eth0: left to you: ip link set eth0 up\n"));
}

TEST_CASE("a damaged state file stops the run before the first change and names the file") {
    FakeKernel kernel;
    const StateDirectory state;
    REQUIRE(run(kernel, state).ok());
    for (const auto& entry : std::filesystem::directory_iterator(state.path()))
        if (entry.path().extension() == ".json") std::filesystem::resize_file(entry.path(), 20);
    kernel.at(SettingName::arp_ignore, "all") = 0;
    const auto before = kernel.dump();
    const Report report = run(kernel, state);
    CHECK(report.exit == Exit::failed);
    CHECK(report.error.find(state.path()) != std::string::npos);
    CHECK(kernel.dump() == before);
}
