#include "serverprep/apply.hpp"

#include <ranges>
#include <string>

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

Result<void> read_back(Kernel& kernel, const Step& step) {
    const auto kept = holds(kernel, step);
    if (!kept) return std::unexpected(kept.error());
    return *kept ? Result<void>{} : fail("the kernel took it, and did not keep it");
}

}  // namespace

Result<void> apply(Kernel& kernel, std::vector<Step>& steps) {
    for (Step& step : steps) {
        if (step.status != StepStatus::planned) continue;
        auto performed = perform(kernel, step);
        step.status = performed ? StepStatus::done : StepStatus::failed;
        if (performed) performed = read_back(kernel, step);
        if (performed) continue;
        std::string message = fmt::format("{}: {}", object(step), performed.error().message);
        const auto undone = roll_back(kernel, steps);
        if (!undone) message += "; " + undone.error().message;
        if (step.status == StepStatus::rolled_back) step.status = StepStatus::failed;
        return fail(std::move(message));
    }
    return {};
}

Result<void> roll_back(Kernel& kernel, std::vector<Step>& steps) {
    std::string stuck;
    for (Step& step : std::views::reverse(steps)) {
        if (step.status != StepStatus::done) continue;
        const auto reverted = revert(kernel, step);
        step.status = reverted ? StepStatus::rolled_back : StepStatus::stuck;
        if (!reverted)
            stuck += fmt::format("{}{}: {}", stuck.empty() ? "" : ", ", object(step), reverted.error().message);
        // What keeps quiet about the VIP, or confines the tunnel, must stay with it.
        if (!reverted && exposes(step)) break;
    }
    if (!stuck.empty()) return fail("and could not be taken back: " + stuck);
    return {};
}

}  // namespace dsr::serverprep
