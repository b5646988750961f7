// What the command line says of --watch.
#pragma once

#include <chrono>
#include <string>

namespace dsr::serverprep {

struct WatchOptions {
    std::chrono::seconds interval{5};  // between looks when nothing is heard; 1 to 3600
    std::string metrics_file;          // empty: none
};

}  // namespace dsr::serverprep
