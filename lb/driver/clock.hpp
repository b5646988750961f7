// The clock by which flows of live traffic age.
#pragma once

#include <cstdint>
#include <ctime>

namespace dsr::lb {

// Seconds, steady, a few milliseconds late at most, and a few nanoseconds to read.
inline std::uint64_t coarse_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return static_cast<std::uint64_t>(time.tv_sec);
}

}  // namespace dsr::lb
