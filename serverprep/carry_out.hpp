// Does what a plan says, whole or not at all, and keeps the record of it.
#pragma once

#include "serverprep/plan.hpp"
#include "serverprep/session.hpp"
#include "serverprep/state_store.hpp"

namespace dsr::serverprep {

// All steps, or those that the task allows. `report` has the steps and findings of the plan.
Report apply_plan(Report report, const Task& task, Plan& plan, const StateStore& store, Kernel& kernel,
                  const Request& request);

// What mends the one finding of the task.
Report fix(Report report, const Task& task, Plan& plan, const StateStore& store, Kernel& kernel,
           const Request& request);

// Has what is prepared restored at boot, if that is wanted. Returns the files that changed.
Result<std::vector<std::string>> save_if_wanted(const Task& task, const State& state, const Observed& observed);

Report failed(Report report, Exit exit, std::string error);

}  // namespace dsr::serverprep
