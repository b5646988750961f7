// What the verbs of lb say to the person at the terminal, on standard error.
#pragma once

#include <optional>
#include <string>

#include "common/config/model.hpp"

namespace dsr::lb {

// "lb: MESSAGE"
void say(const std::string& message);

// The configuration, or nullopt after every problem was reported as FILE:LINE:COL.
std::optional<config::Config> read_config(const std::string& path);

}  // namespace dsr::lb
