#include "serverprep/plan.hpp"

#include <algorithm>
#include <utility>

#include "serverprep/evidence.hpp"
#include "serverprep/judge/judge.hpp"

namespace dsr::serverprep {
namespace {

void make_steps(Plan& plan) {
    const std::vector<ServedVip> stay = staying(plan);
    // difference() has the filters of those that leave, too, unless nobody is left.
    const FilterSteps filters = stay.empty() ? FilterSteps::included : FilterSteps::left_out;
    // Also what VIPs that stay do not need any more, because they are served in another way now.
    Undo undone = undo(plan.before, plan.shared.leaving, stay, plan.observed, filters);
    plan.steps = std::move(undone.steps);
    plan.without_leaving = std::move(undone.after);
    if (stay.empty()) return;
    std::ranges::move(difference(plan.desired, plan.observed, plan.shared), std::back_inserter(plan.steps));
    // What hands packets to VIPs that leave goes before they do.
    std::ranges::stable_partition(plan.steps, [&](const Step& step) {
        const auto* change = std::get_if<FilterChange>(&step.change);
        return change != nullptr && change->before && change->before->role == FilterRole::decapsulate &&
               (!change->after || std::ranges::includes(change->before->vips, change->after->vips));
    });
}

}  // namespace

std::vector<ServedVip> staying(const Plan& plan) {
    std::vector<ServedVip> all = plan.desired.vips;
    all.insert(all.end(), plan.shared.others.begin(), plan.shared.others.end());
    return all;
}

std::set<std::string> links_of(const State& state) {
    std::set<std::string> names;
    for (const auto& [setting, remembered] : state.settings)
        if (setting.of_link()) names.insert(setting.where);
    for (const auto& [address, vip] : state.vips)
        names.insert(vip.served.interface);
    return names;
}

void part_others(const Request& request, Plan& plan) {
    for (const auto& [address, vip] : plan.before.vips) {
        if (plan.desired.find(address) != nullptr) continue;
        if (request.config && leaves_with(plan.desired, vip.served))
            plan.shared.leaving.insert(address);
        else
            plan.shared.others.push_back(vip.served);
    }
}

bool leaves_with(const Desired& desired, const ServedVip& served) {
    // A host that lost its address for a moment has not left its pools.
    return served.from_config && (desired.in_file || !desired.of_file.contains(served.vip));
}

Result<void> look_again(Kernel& kernel, Plan& plan) {
    std::set<std::string> names = plan.desired.interfaces();
    names.merge(links_of(plan.before));
    auto observed = observe(kernel, names);
    if (!observed) return std::unexpected(observed.error());
    plan.observed = std::move(*observed);
    make_steps(plan);
    return {};
}

std::vector<Finding> judge_plan(Kernel& kernel, const Request& request, const Task& task, const Plan& plan, Ask ask,
                                std::vector<std::string>& not_looked_at) {
    if (plan.desired.vips.empty()) return {};
    Evidence evidence;
    if (ask != Ask::nothing) {
        evidence = ask_paths(kernel, request, plan.desired, plan.observed);
        if (task.packet_filter) ask_packet_filter(kernel, plan.desired, plan.observed, evidence);
    }
    if (ask == Ask::all) ask_services(kernel, evidence);
    if (!plan.observed.inventory.filters && plan.desired.tunnelled())
        evidence.not_looked_at.push_back("the BPF filters of this host: " + plan.observed.inventory.why_no_filters);
    not_looked_at = plan.remarks;
    std::ranges::move(evidence.not_looked_at, std::back_inserter(not_looked_at));
    std::vector<Finding> findings = judge({plan.desired, plan.observed, plan.steps, evidence});
    const bool wanted = task.persist || plan.before.persistent;
    if (ask == Ask::all && task.survival != nullptr) {
        const State prepared = remember(plan.before, plan.desired, plan.observed, {});
        const std::string command = prepare_command(plan.desired.vips.front()) + " --persist";
        std::ranges::move(judge_survival(*task.survival, prepared, plan.observed, command, wanted),
                          std::back_inserter(findings));
    }
    return findings;
}

}  // namespace dsr::serverprep
