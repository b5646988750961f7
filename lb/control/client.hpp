// Asks a running lb over its control socket. Hides libcurl.
#pragma once

#include <map>
#include <string>

#include "common/sys/error.hpp"

namespace dsr::lb {

struct ControlAnswer {
    long status = 0;  // of HTTP
    std::string body;
};

// GET, or POST when `command`. Errors: nobody listens there, no permission, no answer within 30 s.
Result<ControlAnswer> ask(const std::string& socket, const std::string& path, bool command,
                          const std::map<std::string, std::string>& arguments = {});

}  // namespace dsr::lb
