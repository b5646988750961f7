// `lb check`: the configuration file, read as `lb run` reads it.
#pragma once

#include <string>

namespace dsr::lb {

// Returns the exit code: 0 valid, 2 not. Warns about what is valid and this version cannot forward yet.
int check(const std::string& config_path);

}  // namespace dsr::lb
