// The command line of serverprep. Checks each option by itself; what it means on this host is desired.hpp's business.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "serverprep/desired.hpp"
#include "serverprep/session.hpp"
#include "serverprep/watch/watch_options.hpp"

namespace dsr::serverprep {

struct Options {
    Request request;
    Task task;
    bool remove = false;
    bool restore = false;  // what is on record, in the place of a request
    bool quiet = false;
    bool json = false;
    std::string network_namespace;  // empty: the one we are in
    std::string state_directory;
    std::optional<WatchOptions> watch;  // --watch, of this process
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
