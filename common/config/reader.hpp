// Reads the YAML configuration file strictly: unknown keys, duplicates, wrong types, impossible values and dangling
// references are errors, and all of them are reported at once. The only place that knows YAML.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/model.hpp"

namespace dsr::config {

struct Problem {
    std::string file;
    std::size_t line = 0;    // from 1; 0: the problem is the file itself
    std::size_t column = 0;  // from 1
    std::string message;     // "path: 'value' reason"
};

// "FILE:LINE:COL: path: 'value' reason", or "FILE: reason" when the file itself cannot be read.
std::string to_string(const Problem& problem);

using ReadResult = std::expected<Config, std::vector<Problem>>;

// `file` is only a name for messages.
ReadResult read_text(std::string_view yaml, std::string_view file);
ReadResult read_file(const std::string& path);

}  // namespace dsr::config
