// `lb run`: brings everything up in order, keeps it going, takes it down in order.
#pragma once

#include <string>

namespace dsr::lb {

// Returns the exit code: 0 after SIGTERM or SIGINT, 1 for what failed on this host, 2 for configuration errors.
int run(const std::string& config_path);

}  // namespace dsr::lb
