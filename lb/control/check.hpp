// `lb check`: the configuration file, read as `lb run` reads it.
#pragma once

#include <string>
#include <vector>

#include "common/config/model.hpp"

namespace dsr::lb {

// Returns the exit code: 0 valid, 2 not. Warns.
int check(const std::string& config_path);

// What is valid and may still surprise: what this version cannot do yet, pools that serve nobody new. A sentence each.
std::vector<std::string> warnings_of(const config::Config& config);

}  // namespace dsr::lb
