// Why lb could not start, and the exit code that says whose matter it is.
#pragma once

#include <expected>
#include <string>

#include "common/sys/error.hpp"

namespace dsr::lb {

struct StartError {
    int exit_code = 1;  // 1: this host; 2: the configuration
    std::string message;
};

inline std::unexpected<StartError> configuration_error(const Error& error) {
    return std::unexpected(StartError{2, error.message});
}
inline std::unexpected<StartError> host_error(const Error& error) {
    return std::unexpected(StartError{1, error.message});
}

}  // namespace dsr::lb
