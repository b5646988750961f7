// `lb explain`: which server a flow goes to, and why. Asks the data plane's own functions, not the running lb: a flow
// that is in a running lb's flow table stays where it is.
#pragma once

#include <string>

#include "common/config/model.hpp"

namespace dsr::lb {

struct ExplainOptions {
    std::string config;
    std::string source;       // ADDRESS:PORT
    std::string destination;  // VIP:PORT
    config::Protocol protocol = config::Protocol::tcp;
    bool json = false;
};

// Returns the exit code: 0, 1 when no server would get the flow, 2 for usage and configuration errors.
int explain(const ExplainOptions& options);

}  // namespace dsr::lb
