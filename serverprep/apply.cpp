#include "serverprep/apply.hpp"

#include <ranges>
#include <string>

#include <fmt/format.h>

namespace dsr::serverprep {

Result<void> apply(Kernel& kernel, std::vector<Step>& steps) {
    for (Step& step : steps) {
        if (step.status != StepStatus::planned) continue;
        const auto performed = perform(kernel, step);
        step.status = performed ? StepStatus::done : StepStatus::failed;
        if (performed) continue;
        std::string message = fmt::format("{}: {}", object(step), performed.error().message);
        if (const auto undone = roll_back(kernel, steps); !undone) message += "; " + undone.error().message;
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
    }
    if (!stuck.empty()) return fail("and could not be taken back: " + stuck);
    return {};
}

}  // namespace dsr::serverprep
