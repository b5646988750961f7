// Whether a Filter makes sense for its role, so that what is read back equals it. Pure.
#pragma once

#include "common/sys/error.hpp"
#include "serverprep/filter.hpp"

namespace dsr::serverprep {

// The error completes "cannot install the filter …: ".
Result<void> check_filter(const Filter& filter);

}  // namespace dsr::serverprep
