// Prints a diagnosis, for people or as JSON.
#pragma once

#include <string>

#include "common/sys/terminal.hpp"
#include "lb/doctor/finding.hpp"

namespace dsr::lb::doctor {

std::string format_text(const Diagnosis& diagnosis, const sys::Painter& painter);
// {"ok", "findings": [{"id", "severity", "subject", "message", "fix"}], "checked": [{"subject", "message"}]}
std::string format_json(const Diagnosis& diagnosis);

}  // namespace dsr::lb::doctor
