// Small reads below /proc and /sys. What cannot be read reads as nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lb/doctor/observation.hpp"

namespace dsr::lb::doctor {

// The last newline and blanks cut off.
std::optional<std::string> read_text(const std::string& path);
// Decimal, or hexadecimal with 0x before it.
std::optional<std::uint64_t> parse_unsigned(std::string_view text, int base);
std::optional<std::uint64_t> read_unsigned(const std::string& path);
std::vector<std::string> names_in(const std::string& directory);  // sorted
// Last part of where a symbolic link points to; empty when there is none.
std::string link_target(const std::string& path);
// "0-3,8" as the kernel writes sets of cores.
Cores parse_cores(std::string_view text);
std::string cores_text(const Cores& cores);

}  // namespace dsr::lb::doctor
