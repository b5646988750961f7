// The verbs that talk to a running lb: reload, drain, enable, disable, show.
#pragma once

#include <optional>
#include <string>

namespace dsr::lb {

// Which lb, and how to answer.
struct CommandOptions {
    std::optional<std::string> socket;  // wins over the configuration's
    std::string config;
    bool config_given = false;  // on the command line: then it must be readable
    bool json = false;
};

// All return the exit code: 0, 1 when lb refused or cannot be reached, 2 for usage and configuration errors.
int reload(const CommandOptions& options);
// `state`: enabled, draining or disabled.
int set_server_state(const CommandOptions& options, const std::string& pool, const std::string& server,
                     const std::string& state);
// `what`: counters, servers, neighbors or interfaces.
int show(const CommandOptions& options, const std::string& what);

}  // namespace dsr::lb
