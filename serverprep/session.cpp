#include "serverprep/session.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "serverprep/apply.hpp"
#include "serverprep/difference.hpp"
#include "serverprep/state.hpp"
#include "serverprep/state_store.hpp"

namespace dsr::serverprep {
namespace {

Report failed(Report report, Exit exit, std::string error) {
    report.exit = exit;
    report.error = std::move(error);
    return report;
}

bool has_error(const std::vector<Finding>& findings) {
    return std::ranges::any_of(findings, [](const Finding& finding) { return finding.severity == Severity::error; });
}

bool needs_user(const std::vector<Finding>& findings) {
    return std::ranges::any_of(findings, &Finding::needs_user);
}

// The steps, remembered on disk first so that a kill at any moment loses nothing. Takes everything back on failure.
Result<void> apply_remembered(const Desired& desired, const Observed& observed, std::vector<Step>& steps,
                              Kernel& kernel, const StateStore& store) {
    const auto old_state = store.load();
    if (!old_state) return std::unexpected(old_state.error());
    const State new_state = remember(*old_state, desired, observed, steps);
    if (new_state != *old_state)
        if (auto saved = store.save(new_state); !saved) return saved;

    auto done = apply(kernel, steps);
    if (done) {
        const auto now = observe(kernel, {desired.interface});
        if (!now)
            done = std::unexpected(now.error());
        else if (const auto left = difference(desired, *now); !left.empty())
            done = fail(object(left.front()) + " did not keep its value");
        if (!done) {
            if (const auto undone = roll_back(kernel, steps); !undone)
                done = fail(done.error().message + "; " + undone.error().message);
        }
    }
    const bool stuck = std::ranges::any_of(steps, [](const Step& step) { return step.status == StepStatus::stuck; });
    if (done || stuck) return done;
    if (auto restored = store.save(*old_state); !restored)
        return fail(done.error().message + "; " + restored.error().message);
    return done;
}

// Which VIPs to undo: those asked for, or all that are remembered.
std::set<wire::Ipv4Address> vips_to_remove(const Request& request, const Desired& desired, const State& state) {
    if (request.vips.empty() && !request.config) return state.vips();
    return {desired.vips.begin(), desired.vips.end()};
}

std::set<std::string> links_of(const State& state) {
    std::set<std::string> names;
    for (const auto& [setting, remembered] : state.settings)
        if (setting.of_link()) names.insert(setting.where);
    return names;
}

}  // namespace

bool Report::ok() const {
    return exit == Exit::ok && !has_error(findings) &&
           std::ranges::none_of(steps, [](const Step& step) { return step.status == StepStatus::planned; });
}

bool Report::changed() const {
    return std::ranges::any_of(
        steps, [](const Step& step) { return step.status == StepStatus::done || step.status == StepStatus::stuck; });
}

Report prepare(const Request& request, Action action, Kernel& kernel, const std::string& state_directory) {
    Report report;
    const auto inventory = take_inventory(kernel);
    if (!inventory) return failed(std::move(report), Exit::failed, inventory.error().message);
    const auto desired =
        resolve(request, *inventory, [&](wire::Ipv4Address address) { return kernel.link_towards(address); });
    if (!desired) return failed(std::move(report), Exit::usage, desired.error().message);
    report.interface = desired->interface;
    report.vips = desired->vips;

    // From here to the end nobody else changes what is being compared.
    std::optional<StateStore> store;
    if (action == Action::apply) {
        auto opened = StateStore::open(state_directory);
        if (!opened) return failed(std::move(report), Exit::failed, opened.error().message);
        store = std::move(*opened);
    }
    const auto observed = observe(kernel, {desired->interface});
    if (!observed) return failed(std::move(report), Exit::failed, observed.error().message);
    report.steps = difference(*desired, *observed);
    report.findings = judge(*desired, *observed, report.steps);
    if (action != Action::apply) {
        if (action == Action::check && !report.ok()) report.exit = Exit::different;
        return report;
    }
    if (needs_user(report.findings)) {
        report.steps.clear();
        return failed(std::move(report), Exit::failed,
                      "nothing was changed: first do what the findings say, which serverprep leaves to you");
    }
    if (auto done = apply_remembered(*desired, *observed, report.steps, kernel, *store); !done)
        return failed(std::move(report), Exit::failed, done.error().message);
    report.findings.clear();  // difference() found nothing left, and nothing needs the user
    return report;
}

Report unprepare(const Request& request, Action action, Kernel& kernel, const std::string& state_directory) {
    Report report;
    const auto store =
        action == Action::apply ? StateStore::open(state_directory) : StateStore::open_to_look(state_directory);
    if (!store) return failed(std::move(report), Exit::failed, store.error().message);
    const auto state = store->load();
    if (!state) return failed(std::move(report), Exit::failed, state.error().message);
    const auto observed = observe(kernel, links_of(*state));
    if (!observed) return failed(std::move(report), Exit::failed, observed.error().message);

    Desired desired;
    if (request.config) {
        auto resolved = resolve(request, observed->inventory,
                                [&](wire::Ipv4Address address) { return kernel.link_towards(address); });
        if (!resolved) return failed(std::move(report), Exit::usage, resolved.error().message);
        desired = std::move(*resolved);
    } else {
        desired.vips = request.vips;
    }
    const std::set<wire::Ipv4Address> vips = vips_to_remove(request, desired, *state);
    report.vips.assign(vips.begin(), vips.end());
    report.findings = judge_kept_vips(vips, state->own_vips, observed->inventory);
    Undo plan = undo(*state, vips, *observed);
    report.steps = std::move(plan.steps);
    if (action != Action::apply) {
        if (action == Action::check && !report.ok()) report.exit = Exit::different;
        return report;
    }
    if (auto done = apply(kernel, report.steps); !done)
        return failed(std::move(report), Exit::failed, done.error().message);
    // Last: killed before this, the next --remove finds everything as it was and forgets it then.
    if (auto saved = store->save(plan.after); !saved)
        return failed(std::move(report), Exit::failed, saved.error().message);
    return report;
}

}  // namespace dsr::serverprep
