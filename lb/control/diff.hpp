// `lb diff`: what a reload from one configuration file to another would change. Asks no running lb.
#pragma once

#include <string>

namespace dsr::lb {

struct DiffOptions {
    std::string before;  // files
    std::string after;
    bool json = false;
};

// Returns the exit code: 0, whether or not anything changes; 2 when a file is wrong.
int diff(const DiffOptions& options);

}  // namespace dsr::lb
