#include "serverprep/session.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "serverprep/apply.hpp"
#include "serverprep/carry_out.hpp"
#include "serverprep/judge/judge.hpp"
#include "serverprep/plan.hpp"
#include "serverprep/state_store.hpp"

namespace dsr::serverprep {
namespace {

bool changes(Action action) {
    return action == Action::apply || action == Action::fix;
}

std::string joined(const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names)
        text += (text.empty() ? "" : ", ") + name;
    return text;
}

// What our filters have counted so far, for an operator to look at.
void read_counters(Kernel& kernel, const Plan& plan, Report& report) {
    if (!plan.observed.inventory.filters || plan.observed.inventory.filters->empty()) return;
    auto counters = kernel.counters();
    if (counters)
        report.counters = std::move(*counters);
    else
        report.not_looked_at.push_back("what the filters have counted: " + counters.error().message);
}

// Filters that cannot be read can neither be completed nor undone; what is blind to them must not say that all is well.
std::optional<std::string> refusal_when_blind(Action action, const Observed& observed,
                                              const std::vector<ServedVip>& staying,
                                              const std::set<wire::Ipv4Address>& leaving, const State& state) {
    if (!changes(action) || observed.inventory.filters) return std::nullopt;
    const bool tunnelled =
        std::ranges::any_of(staying, &ServedVip::tunnelled) || std::ranges::any_of(state.vips, [&](const auto& entry) {
            return leaving.contains(entry.first) && entry.second.served.tunnelled();
        });
    if (!tunnelled) return std::nullopt;
    return "nothing was changed: " + observed.inventory.why_no_filters;
}

Report run(Plan plan, const Request& request, const Task& task, Kernel& kernel, const StateStore& store) {
    Report report;
    report.interface = joined(plan.desired.interfaces());
    for (const ServedVip& served : plan.desired.vips)
        report.vips.push_back(served.vip);
    part_others(request, plan);
    if (auto looked = look_again(kernel, plan); !looked)
        return failed(std::move(report), Exit::failed, looked.error().message);
    if (auto blind = refusal_when_blind(task.action, plan.observed, staying(plan), plan.shared.leaving, plan.before))
        return failed(std::move(report), Exit::failed, std::move(*blind));
    report.steps = plan.steps;
    const Ask ask = task.action == Action::apply ? Ask::nothing : Ask::all;
    report.findings = judge_plan(kernel, request, task, plan, ask, report.not_looked_at);
    if (task.action == Action::fix) return fix(std::move(report), task, plan, store, kernel, request);
    if (task.action == Action::apply) return apply_plan(std::move(report), task, plan, store, kernel, request);
    if (task.action != Action::check) return report;
    read_counters(kernel, plan, report);
    if (!report.ok()) report.exit = Exit::different;
    return report;
}

// Opened for changing it, under the lock, or to look.
Result<StateStore> open_store(Action action, const std::string& directory) {
    return changes(action) ? StateStore::open(directory) : StateStore::open_to_look(directory);
}

// What is on record. After a reboot that is what was saved for it, whether it has been restored yet or not.
Result<State> load_state(const StateStore& store, const Task& task, const Inventory& inventory) {
    auto state = store.load();
    if (!state || !state->empty() || task.survival == nullptr) return state;
    auto saved = saved_state(task.survival->root);
    if (!saved) return std::unexpected(saved.error());
    return *saved ? after_reboot(std::move(**saved), inventory) : std::move(*state);
}

std::string own_addresses_text(const Inventory& inventory) {
    std::string text;
    for (const netlink::Address& address : inventory.addresses)
        if (!inventory.on_loopback(address) && address.scope == netlink::kScopeGlobal)
            text += (text.empty() ? " (" : ", ") + wire::to_string(address.prefix.address);
    return text.empty() ? text : text + ")";
}

// Without the lock: what another run changes meanwhile counts from the next one on.
Request with_record(Request request, const Task& task, const Inventory& inventory, const std::string& directory) {
    const auto store = StateStore::open_to_look(directory);
    const auto state = store ? load_state(*store, task, inventory) : Result<State>(State{});
    if (state)
        for (const auto& [address, vip] : state->vips)
            request.on_record.emplace(address, vip.served);
    return request;
}

// Before the first change: where nothing runs us at boot.
std::optional<std::string> refusal_to_persist(const Task& task) {
    if (!task.persist || task.survival == nullptr || !changes(task.action)) return std::nullopt;
    const auto init = persist::detect(task.survival->root);
    if (init) return std::nullopt;
    return "nothing was changed: it would not survive a reboot: " + init.error().message;
}

// VIPs to remove that nobody ever prepared here, while others are on record: mistyped, perhaps.
void judge_unknown_vips(const Request& request, const State& state, std::vector<Finding>& findings) {
    std::string known;
    for (wire::Ipv4Address vip : state.vip_addresses())
        known += (known.empty() ? "" : ", ") + wire::to_string(vip);
    for (wire::Ipv4Address vip : request.vips) {
        const auto named = [&](const Finding& finding) { return finding.subject == wire::to_string(vip); };
        if (known.empty() || state.vips.contains(vip) || std::ranges::any_of(findings, named)) continue;
        findings.push_back({.id = "vip-unknown",
                            .severity = Severity::warning,
                            .subject = wire::to_string(vip),
                            .message = "there is no record of this VIP; there is one of " + known,
                            .fix = "serverprep --remove --vip ADDRESS",
                            .blocks = false,
                            .steps = {}});
    }
}

Result<Desired> resolve_on(const Request& request, const Inventory& inventory, Kernel& kernel) {
    return resolve(request, inventory, [&](wire::Ipv4Address address) -> std::optional<int> {
        const auto found = kernel.lookup({address, std::nullopt, std::nullopt});
        if (found.error != 0 || found.type != netlink::kRouteUnicast) return std::nullopt;
        return found.link_index;
    });
}

// Which VIPs to undo: those asked for, or all that are remembered.
std::set<wire::Ipv4Address> vips_to_remove(const Request& request, const Desired& desired, const State& state) {
    if (request.vips.empty() && !request.config) return state.vip_addresses();
    std::set<wire::Ipv4Address> vips(request.vips.begin(), request.vips.end());
    for (const ServedVip& served : desired.vips)
        vips.insert(served.vip);
    for (const auto& [address, vip] : state.vips)
        if (request.config && vip.served.from_config) vips.insert(address);
    return vips;
}

}  // namespace

bool Report::ok() const {
    return exit == Exit::ok && std::ranges::none_of(findings, is_error) && std::ranges::none_of(steps, is_planned);
}

bool Report::changed() const {
    return !saved.empty() || std::ranges::any_of(steps, [](const Step& step) {
        return step.status == StepStatus::done || step.status == StepStatus::stuck;
    });
}

Report prepare(const Request& asked, const Task& task, Kernel& kernel, const std::string& state_directory) {
    const auto inventory = take_inventory(kernel);
    if (!inventory) return failed({}, Exit::failed, inventory.error().message);
    const Request request = with_record(asked, task, *inventory, state_directory);
    auto desired = resolve_on(request, *inventory, kernel);
    if (!desired) return failed({}, Exit::usage, desired.error().message);
    if (auto refusal = refusal_to_persist(task)) return failed({}, Exit::failed, std::move(*refusal));
    Plan plan;
    plan.desired = std::move(*desired);
    // From here to the end nobody else changes what is being compared.
    const auto store = open_store(task.action, state_directory);
    if (!store) return failed({}, Exit::failed, store.error().message);
    auto state = load_state(*store, task, *inventory);
    if (!state && changes(task.action)) return failed({}, Exit::failed, state.error().message);
    if (state)
        plan.before = std::move(*state);
    else
        plan.remarks.push_back("what is on record: " + state.error().message);
    const auto leaves = [&](const auto& entry) { return leaves_with(plan.desired, entry.second.served); };
    if (plan.desired.vips.empty() && std::ranges::none_of(plan.before.vips, leaves))
        return failed({}, Exit::usage,
                      fmt::format("no pool in the file has a server with an address of this host{}",
                                  own_addresses_text(*inventory)));
    return run(std::move(plan), request, task, kernel, *store);
}

Report restore(const Task& task, Kernel& kernel, const std::string& state_directory) {
    const auto store = open_store(task.action, state_directory);
    if (!store) return failed({}, Exit::failed, store.error().message);
    const auto inventory = take_inventory(kernel);
    if (!inventory) return failed({}, Exit::failed, inventory.error().message);
    auto state = load_state(*store, task, *inventory);
    if (!state) return failed({}, Exit::failed, state.error().message);
    Plan plan;
    plan.saves = false;
    plan.before = std::move(*state);
    plan.desired.vips = plan.before.served();
    std::string missing;
    std::erase_if(plan.desired.vips, [&](const ServedVip& served) {
        const bool is_missing = inventory->link(served.interface) == nullptr;
        if (is_missing) missing = served.interface;
        return is_missing;
    });
    Report report = run(std::move(plan), {}, task, kernel, *store);
    if (missing.empty() || !report.error.empty()) return report;
    return failed(std::move(report), Exit::failed, fmt::format("there is no interface '{}' yet", missing));
}

Report unprepare(const Request& request, const Task& task, Kernel& kernel, const std::string& state_directory) {
    Report report;
    const auto store = open_store(task.action, state_directory);
    if (!store) return failed(std::move(report), Exit::failed, store.error().message);
    const auto inventory = take_inventory(kernel);
    if (!inventory) return failed(std::move(report), Exit::failed, inventory.error().message);
    const auto state = load_state(*store, task, *inventory);
    if (!state) return failed(std::move(report), Exit::failed, state.error().message);
    const auto observed = observe(kernel, links_of(*state));
    if (!observed) return failed(std::move(report), Exit::failed, observed.error().message);

    Desired desired;
    if (request.config) {
        auto resolved = resolve_on(request, observed->inventory, kernel);
        if (!resolved) return failed(std::move(report), Exit::usage, resolved.error().message);
        desired = std::move(*resolved);
    }
    const std::set<wire::Ipv4Address> vips = vips_to_remove(request, desired, *state);
    report.vips.assign(vips.begin(), vips.end());
    report.findings = judge_kept_vips(vips, state->own_vips(), observed->inventory);
    judge_unknown_vips(request, *state, report.findings);
    if (auto blind = refusal_when_blind(task.action, *observed, {}, vips, *state))
        return failed(std::move(report), Exit::failed, std::move(*blind));
    std::vector<ServedVip> stay = state->served();
    std::erase_if(stay, [&](const ServedVip& served) { return vips.contains(served.vip); });
    Undo plan = undo(*state, vips, stay, *observed);
    report.steps = std::move(plan.steps);
    if (!changes(task.action)) {
        if (task.action == Action::check && !report.ok()) report.exit = Exit::different;
        return report;
    }
    if (auto done = apply(kernel, report.steps); !done)
        return failed(std::move(report), Exit::failed, done.error().message);
    if (auto saved = save_if_wanted(task, plan.after, *observed))
        report.saved = std::move(*saved);
    else
        return failed(std::move(report), Exit::failed, saved.error().message);
    // Last: killed before this, the next --remove finds everything as it was and forgets it then.
    if (auto saved = store->save(plan.after); !saved)
        return failed(std::move(report), Exit::failed, saved.error().message);
    return report;
}

}  // namespace dsr::serverprep
