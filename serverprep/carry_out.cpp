#include "serverprep/carry_out.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "serverprep/apply.hpp"

namespace dsr::serverprep {
namespace {

bool same_setting(const Step& a, const Step& b) {
    const auto* one = std::get_if<SettingChange>(&a.change);
    const auto* other = std::get_if<SettingChange>(&b.change);
    return one != nullptr && other != nullptr && one->setting == other->setting;
}

// Reads all again. A setting that somebody wrote over meanwhile is written once more: udev's rules set rp_filter of a
// device a moment after it has come. Who keeps writing wins, and this run fails.
Result<void> confirm(Kernel& kernel, Plan& plan, std::vector<Step>& steps,
                     const std::function<bool(const Step&)>& must_be_gone) {
    constexpr int kRounds = 3;
    for (int round = 1;; ++round) {
        if (auto looked = look_again(kernel, plan); !looked) return looked;
        std::vector<Step> left;
        std::ranges::copy_if(plan.steps, std::back_inserter(left), must_be_gone);
        if (left.empty()) return {};
        const bool overwritten = std::ranges::all_of(left, [&](const Step& step) {
            return std::ranges::any_of(steps, [&](const Step& done) { return same_setting(step, done); });
        });
        if (round == kRounds || !overwritten) return fail(object(left.front()) + " did not keep its value");
        std::ranges::move(left, std::back_inserter(steps));
        if (auto again = apply(kernel, steps); !again) return again;
    }
}

// The steps, remembered on disk first so that a kill at any moment loses nothing. Takes everything back on failure.
Result<void> apply_remembered(Plan& plan, Report& report, const Task& task, const StateStore& store, Kernel& kernel,
                              const std::function<bool(const Step&)>& must_be_gone) {
    std::vector<Step>& steps = report.steps;
    const Desired& recorded = plan.recorded ? *plan.recorded : plan.desired;
    State during = remember(plan.before, recorded, plan.observed, steps);
    State after = remember(plan.without_leaving, recorded, plan.observed, steps);
    if (task.persist) during.persistent = after.persistent = true;
    if (task.persist && task.guard) during.guarded = after.guarded = true;
    if (during != plan.before)
        if (auto saved = store.save(during); !saved) return saved;

    auto done = apply(kernel, steps);
    if (done) {
        const State old = std::exchange(plan.before, after);
        plan.shared.leaving.clear();
        done = confirm(kernel, plan, steps, must_be_gone);
        if (done) {
            auto saved = plan.saves ? save_if_wanted(task, after, plan.observed) : std::vector<std::string>();
            if (saved)
                report.saved = std::move(*saved);
            else
                done = fail("it would not survive a reboot: " + saved.error().message);
        }
        if (!done) {
            plan.before = old;
            if (const auto undone = roll_back(kernel, steps); !undone)
                done = fail(done.error().message + "; " + undone.error().message);
        }
    }
    if (done) return after == during ? Result<void>{} : store.save(after);
    const bool stuck = std::ranges::any_of(steps, [](const Step& step) { return step.status == StepStatus::stuck; });
    if (stuck) return done;
    if (auto restored = store.save(plan.before); !restored)
        return fail(done.error().message + "; " + restored.error().message);
    return done;
}

// What --fix does: the planned steps that mend the finding, and those that serverprep otherwise leaves to the user.
std::vector<Step> steps_that_mend(const std::string& id, const std::vector<Step>& planned,
                                  const std::vector<Finding>& findings) {
    std::vector<Step> chosen;
    for (const Finding& finding : findings)
        if (finding.id == id) chosen.insert(chosen.end(), finding.steps.begin(), finding.steps.end());
    for (std::size_t at = 0; at < planned.size(); ++at) {
        const auto is_needed = [&](const Step& later) { return later.mends == id && depends(later, planned[at]); };
        if (planned[at].mends == id ||
            std::any_of(planned.begin() + static_cast<std::ptrdiff_t>(at) + 1, planned.end(), is_needed))
            chosen.push_back(planned[at]);
    }
    return chosen;
}

// VIPs that are on record, or are now put on lo: what mends a setting does not make this host serve the others.
Desired to_record(const Plan& plan, const std::vector<Step>& steps) {
    Desired recorded = plan.desired;
    std::erase_if(recorded.vips, [&](const ServedVip& served) {
        const auto adds = [&](const Step& step) {
            const auto* address = std::get_if<AddressChange>(&step.change);
            return address != nullptr && address->add && address->address.prefix.address == served.vip;
        };
        return !plan.before.vips.contains(served.vip) && std::ranges::none_of(steps, adds);
    });
    return recorded;
}

// Those of the steps that may be done, but none that exposes while what it depends on may not.
std::vector<Step> allowed(const std::vector<Step>& steps, const std::function<bool(const Step&)>& may_do) {
    std::vector<Step> chosen;
    for (const Step& step : steps) {
        const auto is_missing = [&](const Step& earlier) { return depends(step, earlier) && !may_do(earlier); };
        const auto end = steps.begin() + (&step - steps.data());
        if (may_do(step) && std::none_of(steps.begin(), end, is_missing)) chosen.push_back(step);
    }
    return chosen;
}

std::string how_to_unblock(const std::vector<Finding>& findings, const Plan& plan) {
    const Finding& first = findings.front();
    const std::string command = prepare_command(plan.desired.vips.front());
    return first.steps.empty() ? "" : fmt::format(", or run '{} --fix {}'", command, first.id);
}

}  // namespace

Report failed(Report report, Exit exit, std::string error) {
    report.exit = exit;
    report.error = std::move(error);
    return report;
}

Result<std::vector<std::string>> save_if_wanted(const Task& task, const State& state, const Observed& observed) {
    if (task.survival == nullptr || !state.persistent) return std::vector<std::string>();
    return save_for_reboot(*task.survival, state, observed);
}

Report fix(Report report, const Task& task, Plan& plan, const StateStore& store, Kernel& kernel,
           const Request& request) {
    const auto named = [&](const Finding& finding) { return finding.id == task.fix_id; };
    const auto finding = std::ranges::find_if(report.findings, named);
    report.steps = steps_that_mend(task.fix_id, plan.steps, report.findings);
    const bool persist = task.fix_id == "not-persistent" && finding != report.findings.end();
    if (report.steps.empty() && finding != report.findings.end() && !persist)
        return failed(
            std::move(report), Exit::failed,
            fmt::format("serverprep has no step that mends {} on {}: {}", finding->id, finding->subject, finding->fix));
    if (report.steps.empty() && !persist) {
        report.findings.clear();
        return report;
    }
    const auto same = [&](const Step& step) { return step.mends == task.fix_id; };
    // Nothing else is done, and so nothing else forgotten.
    plan.without_leaving = plan.before;
    plan.recorded = to_record(plan, report.steps);
    Task this_one = task;
    this_one.persist = task.persist || persist;
    if (auto done = apply_remembered(plan, report, this_one, store, kernel, same); !done)
        return failed(std::move(report), Exit::failed, done.error().message);
    report.findings = judge_plan(kernel, request, task, plan, Ask::all, report.not_looked_at);
    if (std::ranges::any_of(report.findings, named))
        return failed(std::move(report), Exit::failed, fmt::format("{} is still there", task.fix_id));
    std::erase_if(report.findings, std::not_fn(named));
    return report;
}

Report apply_plan(Report report, const Task& task, Plan& plan, const StateStore& store, Kernel& kernel,
                  const Request& request) {
    if (std::ranges::any_of(report.findings, &Finding::blocks)) {
        report.steps.clear();
        std::erase_if(report.findings, [](const Finding& finding) { return !finding.blocks; });
        const std::string or_else = how_to_unblock(report.findings, plan);
        return failed(std::move(report), Exit::failed,
                      "nothing was changed: first do what the findings say, which serverprep leaves to you" + or_else);
    }
    if (task.may_do) {
        std::vector<Step> chosen = allowed(report.steps, task.may_do);
        // What is not undone is not forgotten.
        if (chosen.size() != report.steps.size()) plan.without_leaving = plan.before;
        report.steps = std::move(chosen);
    }
    const std::vector<Step> chosen = report.steps;
    const auto must_be_gone = [&](const Step& step) {
        const auto same = [&](const Step& other) { return object(other) == object(step); };
        return is_planned(step) && (!task.may_do || std::ranges::any_of(chosen, same));
    };
    if (auto done = apply_remembered(plan, report, task, store, kernel, must_be_gone); !done)
        return failed(std::move(report), Exit::failed, done.error().message);
    report.findings = judge_plan(kernel, request, task, plan, Ask::network, report.not_looked_at);
    if (std::ranges::any_of(report.findings, is_error) && !task.may_do)
        return failed(std::move(report), Exit::failed,
                      "this host is prepared, and the findings keep it from serving: they are left to you");
    return report;
}

}  // namespace dsr::serverprep
