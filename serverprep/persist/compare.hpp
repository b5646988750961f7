// Whether what holds now would hold after a reboot: our files against what they should be, and other people's files
// that would undo them. Reads files only.
#pragma once

#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/persist/persistence.hpp"

namespace dsr::serverprep::persist {

struct Flaw {
    std::string path;
    int line = 0;  // of somebody else's file; 0: the file as a whole
    std::string message;
    // False: 'serverprep --persist' mends it. True: the file is not ours to change.
    bool needs_user = false;
};

// Empty: it survives. The error is that a file cannot be read, or render()'s.
Result<std::vector<Flaw>> compare(const Persistence& what, InitSystem init, const std::string& root = "/");

}  // namespace dsr::serverprep::persist
