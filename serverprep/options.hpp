// The command line of serverprep. Checks each option by itself; what it means on this host is desired.hpp's business.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "serverprep/desired.hpp"
#include "serverprep/report.hpp"

namespace dsr::serverprep {

struct Options {
    Request request;
    Deed deed;
    bool json = false;
    std::string state_directory;
};

// Help, version or a usage error: what to print, where, and the exit code.
struct Leave {
    int exit = 0;
    std::string out;
    std::vector<std::string> errors;
    bool json = false;  // a usage error that was asked for as a document too
};

std::expected<Options, Leave> parse_options(int argc, char** argv);

}  // namespace dsr::serverprep
