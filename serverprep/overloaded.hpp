// For std::visit: one handler for each alternative of a variant.
#pragma once

namespace dsr::serverprep {

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

}  // namespace dsr::serverprep
