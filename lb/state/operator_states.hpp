// What operators have told a running lb about single servers (lb drain, disable, enable). It wins over the file, and
// survives reloads.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "common/config/model.hpp"
#include "common/sys/error.hpp"

namespace dsr::lb {

class OperatorStates {
public:
    // Errors: `config` has no such pool, or the pool no such server; the sentence names those there are.
    Result<void> set(const config::Config& config, const std::string& pool, wire::Ipv4Address server,
                     config::ServerState state);

    // The configuration with these states in place of the file's.
    [[nodiscard]] config::Config apply(config::Config config) const;

    // Forgets servers that `config` has no more.
    void prune(const config::Config& config);

private:
    std::map<std::pair<std::string, wire::Ipv4Address>, config::ServerState> states_;
};

}  // namespace dsr::lb
