// The data plane's clock: whole seconds.
#pragma once

#include <cstdint>

namespace dsr::lb {

// Seconds on the worker's clock, modulo 2^16.
using FlowTime = std::uint16_t;

// Whether `deadline`, at most half of FlowTime's period ahead when it was set, is reached.
constexpr bool reached(FlowTime deadline, FlowTime now) {
    return static_cast<FlowTime>(now - deadline) < 0x8000;
}

}  // namespace dsr::lb
