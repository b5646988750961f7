// The rules of a configuration that need more than one value: names and addresses that must differ, values that must
// suit each other. Single values are section.hpp's and sections.hpp's business; nothing is asked of the machine.
#pragma once

#include "common/config/draft.hpp"

namespace dsr::config {

// Adds to the draft's report. Values that are absent or already reported cause no further problem.
void check(Draft& draft);

}  // namespace dsr::config
