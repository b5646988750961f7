// `lb replay`: every frame of a capture file through the real data plane.
#pragma once

#include <optional>
#include <string>

namespace dsr::lb {

struct ReplayOptions {
    std::string config;
    std::string input;
    std::string output;
    std::optional<std::string> verdicts;  // one JSON line for each frame
    bool json = false;
};

// Returns the exit code: 0, 1 for unreadable or unwritable files, 2 for configuration errors.
int replay(const ReplayOptions& options);

}  // namespace dsr::lb
