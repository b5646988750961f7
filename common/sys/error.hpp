// What a function that can be expected to fail returns: one sentence for the person who reads it.
#pragma once

#include <expected>
#include <string>

namespace dsr {

struct Error {
    std::string message;  // says what was attempted on what, and why it failed; no trailing period
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(std::string message) {
    return std::unexpected(Error{std::move(message)});
}

}  // namespace dsr
