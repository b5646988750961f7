// Does steps in order; when one fails, takes back those done, last first. Knows nothing of why they are done.
#pragma once

#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/kernel/kernel.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {

// Steps that are not `planned` are passed over. On an error the status of each step says where it stands.
Result<void> apply(Kernel& kernel, std::vector<Step>& steps);

// Takes back what is done, last first. The error names the steps that are stuck.
Result<void> roll_back(Kernel& kernel, std::vector<Step>& steps);

}  // namespace dsr::serverprep
