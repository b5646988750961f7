// Layer 3 on a fake kernel: by ipip devices and by filters, alone and beside other VIPs, applied, broken off, undone.
#include "serverprep/layer3.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "fake_kernel.hpp"
#include "serverprep/difference.hpp"
#include "serverprep/judge/judge.hpp"
#include "serverprep/session.hpp"
#include "state_directory.hpp"

using namespace dsr;
using namespace dsr::serverprep;

namespace {

Request tunnelled(std::vector<wire::Ipv4Address> vips, std::set<wire::Ipv4Prefix> load_balancers,
                  std::optional<DecapKind> decap = std::nullopt) {
    Request request = request_for(std::move(vips));
    request.dsr_type = config::DsrType::l3;
    request.load_balancers = std::move(load_balancers);
    request.decap = decap;
    return request;
}

const auto kVip = ip("203.0.113.10");
const auto kOtherVip = ip("203.0.113.11");
const std::set<wire::Ipv4Prefix> kBalancers{prefix("10.0.0.2/32"), prefix("10.0.0.3/32")};

FakeKernel& with_ipip(FakeKernel& kernel, bool ipip) {
    kernel.ipip = ipip;
    kernel.at(SettingName::rp_filter, "default") = 2;  // as Debian has it
    return kernel;
}

Report run(FakeKernel& kernel, const StateDirectory& state, const Request& request, const Task& task = {}) {
    return prepare(request, task, kernel, state.path());
}

Report take_back(FakeKernel& kernel, const StateDirectory& state, const Request& request = {}) {
    return unprepare(request, {}, kernel, state.path());
}

Report check(FakeKernel& kernel, const StateDirectory& state, const Request& request) {
    return run(kernel, state, request, {.action = Action::check});
}

std::vector<std::string> ids(const Report& report) {
    std::vector<std::string> list;
    for (const Finding& finding : report.findings)
        list.push_back(finding.id);
    return list;
}

std::vector<std::string> objects(const Report& report) {
    std::vector<std::string> list;
    for (const Step& step : report.steps)
        list.push_back(object(step));
    return list;
}

std::size_t position(const std::vector<std::string>& list, const std::string& what) {
    return static_cast<std::size_t>(std::ranges::find(list, what) - list.begin());
}

}  // namespace

TEST_CASE("with ipip there is a guarded device for each load balancer, up when everything else is ready") {
    FakeKernel kernel;
    const StateDirectory state;
    const Report report = run(with_ipip(kernel, true), state, tunnelled({kVip}, kBalancers));
    REQUIRE(report.ok());
    REQUIRE(kernel.tunnels()->size() == 2);
    CHECK(kernel.tunnels()->at(0) == netlink::Tunnel{100, "dsr-ipip0", {}, ip("10.0.0.2"), true});
    CHECK(kernel.tunnels()->at(1).remote == ip("10.0.0.3"));
    const auto done = objects(report);
    CHECK(position(done, "guard of dsr-ipip0") < position(done, "link dsr-ipip0 up"));
    CHECK(position(done, "address 203.0.113.10/32 dev lo label lo:0") < position(done, "link dsr-ipip0 up"));
    CHECK(position(done, "address 10.0.0.11/32 dev dsr-ipip0") < position(done, "link dsr-ipip0 up"));
    CHECK(done.back() == "link dsr-ipip1 up");
    CHECK(kernel.at(SettingName::rp_filter, "dsr-ipip0") == 2);
}

TEST_CASE("with a filter decapsulation comes last, and names this host's addresses, the VIPs and the load balancers") {
    FakeKernel kernel;
    const StateDirectory state;
    const Report report = run(with_ipip(kernel, false), state, tunnelled({kVip, kOtherVip}, kBalancers));
    REQUIRE(report.ok());
    CHECK(objects(report).back() == "decapsulation on eth0");
    const Inventory inventory = take_inventory(kernel).value();
    const Filter* filter = inventory.filter(FilterRole::decapsulate, "eth0");
    REQUIRE(filter != nullptr);
    CHECK(filter->vips == std::set{kVip, kOtherVip});
    CHECK(filter->addresses == std::set{ip("10.0.0.11")});
    CHECK(filter->sources == kBalancers);
    const Filter* clamp = inventory.filter(FilterRole::clamp_mss, "eth0");
    REQUIRE(clamp != nullptr);
    CHECK(clamp->mss == 1440);
}

TEST_CASE("replies that leave by another default route are made room for there as well") {
    FakeKernel kernel;
    kernel.route_list[0].link_index = 3;
    const StateDirectory state;
    Request request = tunnelled({kVip}, kBalancers);
    request.interface = "eth0";
    REQUIRE(run(kernel, state, request).changed());
    const Inventory inventory = take_inventory(kernel).value();
    CHECK(inventory.filter(FilterRole::clamp_mss, "eth0") != nullptr);
    CHECK(inventory.filter(FilterRole::clamp_mss, "eth1") != nullptr);
    CHECK(inventory.filter(FilterRole::decapsulate, "eth1") == nullptr);
}

TEST_CASE("the MSS leaves 60 bytes of the lesser MTU, the interface's or the load balancer's") {
    FakeKernel kernel;
    ServedVip served;
    served.interface = "eth0";
    CHECK(mss_limit(served, take_inventory(kernel).value()) == 1440);
    served.path_mtu = 1400;
    CHECK(mss_limit(served, take_inventory(kernel).value()) == 1340);
    kernel.link_list.at(1).mtu = 9000;
    CHECK(mss_limit(served, take_inventory(kernel).value()) == 1340);
    served.path_mtu = 0;
    CHECK(mss_limit(served, take_inventory(kernel).value()) == 8940);
}

TEST_CASE("Layer 3 applied again changes nothing, and undone leaves exactly what was there, foreign clsact included") {
    const bool ipip = GENERATE(true, false);
    const bool foreign = GENERATE(true, false);
    FakeKernel kernel;
    with_ipip(kernel, ipip);
    if (foreign) kernel.clsact_list.push_back({"eth0", 1});
    const auto before = kernel.dump();
    const StateDirectory state;
    const Request request = tunnelled({kVip, kOtherVip}, kBalancers);
    REQUIRE(run(kernel, state, request).ok());
    const auto prepared = kernel.dump();
    CHECK_FALSE(run(kernel, state, request).changed());
    CHECK(kernel.dump() == prepared);
    CHECK(check(kernel, state, request).exit == Exit::ok);
    CHECK(take_back(kernel, state).exit == Exit::ok);
    CHECK(kernel.dump() == before);
    CHECK_FALSE(state.remembers());
}

TEST_CASE("whichever step of Layer 3 fails, all is taken back") {
    const bool ipip = GENERATE(true, false);
    for (int failing = 0;; ++failing) {
        CAPTURE(ipip, failing);
        FakeKernel kernel;
        with_ipip(kernel, ipip);
        const auto before = kernel.dump();
        const StateDirectory state;
        kernel.refuse_change = failing;
        const Report report = run(kernel, state, tunnelled({kVip}, kBalancers));
        if (report.exit == Exit::ok) {
            CHECK(failing > 10);
            break;
        }
        CHECK(kernel.dump() == before);
        CHECK_FALSE(state.remembers());
    }
}

TEST_CASE("killed at any moment of Layer 3, the next run completes or --remove undoes it") {
    const bool ipip = GENERATE(true, false);
    const bool run_again = GENERATE(true, false);
    const Request request = tunnelled({kVip}, kBalancers);
    for (int moment = 0;; ++moment) {
        CAPTURE(ipip, run_again, moment);
        FakeKernel kernel;
        with_ipip(kernel, ipip);
        const auto before = kernel.dump();
        const StateDirectory state;
        kernel.kill_before_change = moment;
        bool killed = false;
        try {
            run(kernel, state, request);
        } catch (const Killed&) {
            killed = true;
        }
        kernel.kill_before_change.reset();
        if (run_again) {
            CHECK(run(kernel, state, request).ok());
        }
        CHECK(take_back(kernel, state).exit == Exit::ok);
        CHECK(kernel.dump() == before);
        if (!killed) break;
    }
}

TEST_CASE("killed at any moment of removing Layer 3, the next --remove finishes") {
    const bool ipip = GENERATE(true, false);
    const Request request = tunnelled({kVip}, kBalancers);
    for (int moment = 0;; ++moment) {
        CAPTURE(ipip, moment);
        FakeKernel kernel;
        with_ipip(kernel, ipip);
        const auto before = kernel.dump();
        const StateDirectory state;
        REQUIRE(run(kernel, state, request).ok());
        kernel.changes = 0;
        kernel.kill_before_change = moment;
        bool killed = false;
        try {
            take_back(kernel, state);
        } catch (const Killed&) {
            killed = true;
        }
        kernel.kill_before_change.reset();
        CHECK(take_back(kernel, state).exit == Exit::ok);
        CHECK(kernel.dump() == before);
        if (!killed) break;
    }
}

TEST_CASE("a removal of Layer 3 that fails anywhere leaves the host prepared") {
    const bool ipip = GENERATE(true, false);
    const Request request = tunnelled({kVip}, kBalancers);
    for (int failing = 0;; ++failing) {
        CAPTURE(ipip, failing);
        FakeKernel kernel;
        with_ipip(kernel, ipip);
        const StateDirectory state;
        REQUIRE(run(kernel, state, request).ok());
        kernel.changes = 0;
        kernel.refuse_change = failing;
        if (take_back(kernel, state).exit == Exit::ok) break;
        CHECK(check(kernel, state, request).exit == Exit::ok);
    }
}

TEST_CASE("a VIP of either layer may come and go beside the other") {
    const bool ipip = GENERATE(true, false);
    const bool first_goes_first = GENERATE(true, false);
    FakeKernel kernel;
    with_ipip(kernel, ipip);
    const auto before = kernel.dump();
    const StateDirectory state;
    const Request near = request_for({kOtherVip});
    const Request far = tunnelled({kVip}, kBalancers);
    REQUIRE(run(kernel, state, near).ok());
    REQUIRE(run(kernel, state, far).ok());
    CHECK(check(kernel, state, near).exit == Exit::ok);
    const Request& goes = first_goes_first ? near : far;
    const Request& stays = first_goes_first ? far : near;
    REQUIRE(take_back(kernel, state, goes).exit == Exit::ok);
    CHECK(check(kernel, state, stays).exit == Exit::ok);
    CHECK((kernel.filter_list.empty() && kernel.tunnel_list.empty()) == !first_goes_first);
    REQUIRE(take_back(kernel, state, stays).exit == Exit::ok);
    CHECK(kernel.dump() == before);
}

TEST_CASE("two Layer 3 VIPs share a filter: each keeps its load balancers, and one leaves without the other") {
    FakeKernel kernel;
    const StateDirectory state;
    const Request one = tunnelled({kVip}, {prefix("10.0.0.2/32")});
    const Request two = tunnelled({kOtherVip}, {prefix("10.0.0.3/32")});
    REQUIRE(run(kernel, state, one).ok());
    REQUIRE(run(kernel, state, two).ok());
    const auto filter = [&] {
        const Inventory inventory = take_inventory(kernel).value();
        return *inventory.filter(FilterRole::decapsulate, "eth0");
    };
    CHECK(filter().vips == std::set{kVip, kOtherVip});
    CHECK(filter().sources == kBalancers);
    REQUIRE(take_back(kernel, state, one).exit == Exit::ok);
    CHECK(filter().vips == std::set{kOtherVip});
    CHECK(filter().sources == std::set{prefix("10.0.0.3/32")});
}

TEST_CASE("a run that names no load balancer does not open a tunnel that has some") {
    FakeKernel kernel;
    const StateDirectory state;
    REQUIRE(run(kernel, state, tunnelled({kVip}, kBalancers)).ok());
    const Report report = run(kernel, state, tunnelled({kVip}, {}));
    CHECK(report.ok());
    CHECK_FALSE(report.changed());
    CHECK(report.findings.empty());
}

TEST_CASE("without any load balancer the tunnel is open, and that is a warning") {
    FakeKernel kernel;
    const StateDirectory state;
    const Report report = run(kernel, state, tunnelled({kVip}, {}));
    CHECK(report.exit == Exit::ok);
    CHECK(ids(report) == std::vector<std::string>{"decap-open"});
    CHECK(report.findings[0].severity == Severity::warning);
}

TEST_CASE("each fault of a tunnel alone is named by its id and no other, and --fix mends it") {
    struct Fault {
        const char* id;
        bool ipip;
        std::function<void(FakeKernel&)> make;
    };
    const auto erase_filter = [](FilterRole role) {
        return [role](FakeKernel& kernel) {
            std::erase_if(kernel.filter_list, [&](const Filter& filter) { return filter.role == role; });
        };
    };
    const auto change_filter = [](FilterRole role, std::function<void(Filter&)> change) {
        return [role, change](FakeKernel& kernel) {
            for (Filter& filter : kernel.filter_list)
                if (filter.role == role) change(filter);
        };
    };
    const auto set = [](SettingName name, const char* where, std::uint32_t value) {
        return [=](FakeKernel& kernel) { kernel.at(name, where) = value; };
    };
    const std::vector<Fault> faults{
        {"tunnel-down", false, erase_filter(FilterRole::decapsulate)},
        {"tunnel-down", false, [](FakeKernel& kernel) { REQUIRE(kernel.remove_clsact("eth0")); }},
        {"tunnel-down", false, change_filter(FilterRole::decapsulate, [](Filter& f) { f.vips = {kOtherVip}; })},
        {"tunnel-down", false,
         change_filter(FilterRole::decapsulate, [](Filter& f) { f.sources = {prefix("10.0.0.3/32")}; })},
        {"decap-open", false, change_filter(FilterRole::decapsulate, [](Filter& f) { f.sources.clear(); })},
        {"decap-open", false,
         change_filter(FilterRole::decapsulate, [](Filter& f) { f.sources.insert(prefix("10.0.0.0/8")); })},
        {"mss", false, erase_filter(FilterRole::clamp_mss)},
        {"mss", false, change_filter(FilterRole::clamp_mss, [](Filter& f) { f.mss = 1460; })},
        {"tunnel-down", true, set(SettingName::link_up, "dsr-ipip0", 0)},
        {"tunnel-down", true, [](FakeKernel& kernel) { REQUIRE(kernel.remove(kernel.tunnel_list.at(0))); }},
        {"tunnel-address", true,
         [](FakeKernel& kernel) {
             std::erase_if(kernel.address_list, [](const netlink::Address& a) { return a.link_index == 100; });
         }},
        {"rp-filter", true, set(SettingName::rp_filter, "dsr-ipip0", 1)},
        {"decap-open", true, erase_filter(FilterRole::guard)},
    };
    for (const Fault& fault : faults) {
        FakeKernel kernel;
        with_ipip(kernel, fault.ipip);
        const StateDirectory state;
        const Request request = tunnelled({kVip}, {prefix("10.0.0.2/32")});
        REQUIRE(run(kernel, state, request).ok());
        const auto prepared = kernel.dump();
        fault.make(kernel);
        const Report broken = check(kernel, state, request);
        CAPTURE(fault.id, fault.ipip);
        CHECK(broken.exit == Exit::different);
        CHECK(ids(broken) == std::vector<std::string>{fault.id});
        CHECK(broken.findings.at(0).severity == Severity::error);
        CHECK_FALSE(broken.findings.at(0).fix.empty());
        const Report mended = run(kernel, state, request, {.action = Action::fix, .fix_id = fault.id});
        CHECK(mended.exit == Exit::ok);
        CHECK(check(kernel, state, request).exit == Exit::ok);
        CHECK(check(kernel, state, request).findings.empty());
        REQUIRE(take_back(kernel, state).exit == Exit::ok);
    }
}

TEST_CASE("a tunnel device of somebody else is used, and given back as it was") {
    FakeKernel kernel;
    with_ipip(kernel, true);
    REQUIRE(kernel.add(netlink::Tunnel{0, "theirs", {}, ip("10.0.0.2"), false}));
    const auto before = kernel.dump();
    const StateDirectory state;
    const Report report = run(kernel, state, tunnelled({kVip}, {prefix("10.0.0.2/32")}));
    REQUIRE(report.ok());
    CHECK(ids(report) == std::vector<std::string>{"decap-open"});  // its other traffic is not ours to drop
    CHECK(kernel.tunnel_list.size() == 1);
    CHECK(kernel.tunnels()->at(0).up);
    REQUIRE(take_back(kernel, state).exit == Exit::ok);
    CHECK(kernel.dump() == before);
}

TEST_CASE("an open tunnel of somebody else is a warning, and nothing of ours takes it down") {
    FakeKernel kernel;
    with_ipip(kernel, true);
    REQUIRE(kernel.add(netlink::Tunnel{0, "tunl0", {}, {}, false}));
    kernel.at(SettingName::link_up, "tunl0") = 1;
    const StateDirectory state;
    const Request request = tunnelled({kVip}, {prefix("10.0.0.2/32")});
    const Report report = run(kernel, state, request);
    CHECK(report.exit == Exit::ok);
    CHECK(ids(report) == std::vector<std::string>{"decap-open"});
    CHECK(report.findings.at(0).fix == "ip link set tunl0 down");
    CHECK(run(kernel, state, request, {.action = Action::fix, .fix_id = "decap-open"}).exit == Exit::failed);
    CHECK(kernel.at(SettingName::link_up, "tunl0") == 1);
}

TEST_CASE("filters that cannot be read stop a run of Layer 3 before its first change, and a removal as well") {
    FakeKernel kernel;
    const StateDirectory state;
    REQUIRE(run(kernel, state, tunnelled({kVip}, kBalancers)).ok());
    kernel.filters_readable = false;
    const auto before = kernel.dump();
    CHECK(run(kernel, state, tunnelled({kOtherVip}, kBalancers)).exit == Exit::failed);
    CHECK(take_back(kernel, state).exit == Exit::failed);
    CHECK(kernel.dump() == before);
    CHECK(run(kernel, state, request_for({kOtherVip})).exit == Exit::failed);  // the other VIP's filter is shared
}

TEST_CASE("--fix of a tunnel brings along what must come before it") {
    FakeKernel kernel;
    with_ipip(kernel, false);
    const StateDirectory state;
    const Report report =
        run(kernel, state, tunnelled({kVip}, kBalancers), {.action = Action::fix, .fix_id = "tunnel-down"});
    CHECK(report.exit == Exit::ok);
    const auto done = objects(report);
    const auto vip = position(done, "address 203.0.113.10/32 dev lo label lo:0");
    CHECK(position(done, "net.ipv4.conf.all.arp_ignore") < vip);
    CHECK(vip < position(done, "decapsulation on eth0"));
    CHECK(done.back() == "decapsulation on eth0");
}

TEST_CASE("what --check cannot read of filters is said, and is no finding") {
    FakeKernel kernel;
    const StateDirectory state;
    const Request request = tunnelled({kVip}, kBalancers);
    REQUIRE(run(kernel, state, request).ok());
    kernel.filters_readable = false;
    const Report report = check(kernel, state, request);
    CHECK(report.exit == Exit::ok);
    CHECK(report.not_looked_at ==
          std::vector<std::string>{"the BPF filters of this host: reading filters needs CAP_SYS_ADMIN"});
}

TEST_CASE("a VIP may change its layer, its means and its interface: nothing of the old way stays") {
    FakeKernel kernel;
    with_ipip(kernel, true);
    const auto before = kernel.dump();
    const StateDirectory state;
    const auto served = [&](const Request& request) {
        REQUIRE(run(kernel, state, request).ok());
        CHECK(check(kernel, state, request).exit == Exit::ok);
        std::set<std::string> links;
        for (const Filter& filter : kernel.filter_list)
            links.insert(filter.link);
        return std::pair(kernel.tunnel_list.size(), links);
    };
    Request near = request_for({kVip});
    near.dsr_type = config::DsrType::l2;
    Request elsewhere = tunnelled({kVip}, kBalancers, DecapKind::bpf);
    elsewhere.interface = "eth1";
    using Links = std::set<std::string>;
    CHECK(served(tunnelled({kVip}, kBalancers)) == std::pair(std::size_t{2}, Links{"dsr-ipip0", "dsr-ipip1", "eth0"}));
    CHECK(served(tunnelled({kVip}, kBalancers, DecapKind::bpf)) == std::pair(std::size_t{0}, Links{"eth0"}));
    CHECK(served(elsewhere) == std::pair(std::size_t{0}, Links{"eth0", "eth1"}));  // the default route is by eth0
    CHECK(served(tunnelled({kVip}, kBalancers, DecapKind::ipip)).first == 2);
    CHECK(served(near) == std::pair(std::size_t{0}, Links{}));
    REQUIRE(take_back(kernel, state).exit == Exit::ok);
    CHECK(kernel.dump() == before);
}

TEST_CASE("what a run leaves out is as on record: layer, means and load balancers") {
    FakeKernel kernel;
    with_ipip(kernel, true);
    const StateDirectory state;
    REQUIRE(run(kernel, state, tunnelled({kVip}, kBalancers, DecapKind::bpf)).ok());
    const Report again = run(kernel, state, request_for({kVip}));
    CHECK(again.ok());
    CHECK_FALSE(again.changed());
    REQUIRE(kernel.remove_clsact("eth0"));
    CHECK(ids(check(kernel, state, request_for({kVip}))) == std::vector<std::string>{"tunnel-down"});
}

TEST_CASE("a VIP without load balancers does not open the tunnel of one that has some") {
    FakeKernel kernel;
    const StateDirectory state;
    REQUIRE(run(kernel, state, tunnelled({kVip}, kBalancers)).ok());
    const Report report = run(kernel, state, tunnelled({kOtherVip}, {}));
    CHECK(report.ok());
    CHECK(ids(report) == std::vector<std::string>{"decap-open"});
    const Inventory inventory = take_inventory(kernel).value();
    CHECK(inventory.filter(FilterRole::decapsulate, "eth0")->sources == kBalancers);
}

TEST_CASE("--fix does its own steps alone, and forgets nothing that it does not undo") {
    FakeKernel kernel;
    with_ipip(kernel, true);
    const auto before = kernel.dump();
    const StateDirectory state;
    REQUIRE(run(kernel, state, tunnelled({kVip}, kBalancers)).ok());
    kernel.at(SettingName::arp_ignore, "all") = 0;
    Request near = request_for({kVip});
    near.dsr_type = config::DsrType::l2;  // which would take the tunnels away
    const Report report = run(kernel, state, near, {.action = Action::fix, .fix_id = "arp-ignore"});
    CHECK(report.exit == Exit::ok);
    CHECK(objects(report) == std::vector<std::string>{"net.ipv4.conf.all.arp_ignore"});
    CHECK(kernel.tunnel_list.size() == 2);
    REQUIRE(take_back(kernel, state).exit == Exit::ok);
    CHECK(kernel.dump() == before);
}

TEST_CASE("a setting that somebody writes over once is written again; who keeps writing wins") {
    const bool keeps = GENERATE(false, true);
    FakeKernel kernel;
    with_ipip(kernel, true);
    const auto before = kernel.dump();
    const StateDirectory state;
    kernel.overwritten = {Setting{SettingName::rp_filter, "dsr-ipip0"}, 1};
    kernel.overwrites = keeps ? 100 : 1;
    kernel.at(SettingName::rp_filter, "default") = 0;
    const auto unlike_before = kernel.dump();
    const Report report = run(kernel, state, tunnelled({kVip}, {prefix("10.0.0.2/32")}));
    CHECK(report.ok() == !keeps);
    if (keeps) CHECK(kernel.dump() == unlike_before);
}

TEST_CASE("whatever was there before, and in whatever order VIPs come and go, in the end it is there again") {
    std::mt19937 random(20261124);
    const auto pick = [&](int low, int high) { return std::uniform_int_distribution(low, high)(random); };
    for (int round = 0; round < 200; ++round) {
        CAPTURE(round);
        FakeKernel kernel;
        kernel.ipip = pick(0, 1) == 1;
        for (auto& [setting, value] : kernel.settings) {
            const bool flag = setting.name == SettingName::link_up || setting.name == SettingName::link_arp;
            const bool redirect = setting.name == SettingName::accept_redirects;
            if (!flag && !redirect)
                value = static_cast<std::uint32_t>(pick(0, setting.name == SettingName::rp_filter ? 2 : 1));
        }
        if (pick(0, 2) == 0) kernel.clsact_list.push_back({"eth0", static_cast<std::size_t>(pick(0, 2))});
        if (pick(0, 2) == 0)
            kernel.address_list.push_back({1, prefix("198.51.100.9/32"), "lo:0", netlink::kScopeGlobal, 0});
        const auto before = kernel.dump();
        const StateDirectory state;
        std::vector<Request> requests;
        for (int number = 0; number < pick(1, 4); ++number) {
            const auto vip = wire::Ipv4Address::from_host(0xcb007114U + static_cast<std::uint32_t>(number));
            requests.push_back(pick(0, 1) == 0 ? request_for({vip}) : tunnelled({vip}, kBalancers));
            requests.back().interface = pick(0, 1) == 0 ? "eth0" : "eth1";
            requests.back().ip_forward = pick(0, 3) != 0;
            REQUIRE(run(kernel, state, requests.back()).changed());
        }
        for (const Request& request : requests)
            CHECK(objects(check(kernel, state, request)) == std::vector<std::string>{});
        std::ranges::shuffle(requests, random);
        for (const Request& request : requests)
            REQUIRE(take_back(kernel, state, request).exit == Exit::ok);
        REQUIRE(kernel.dump() == before);
        REQUIRE_FALSE(state.remembers());
    }
}
