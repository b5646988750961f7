// At most so many a second, counted by the worker's clock.
#pragma once

#include <cstdint>

#include "lb/dataplane/flow_time.hpp"

namespace dsr::lb {

class RateLimit {
public:
    // Whether one more is allowed in this second. `limit` 0: always.
    bool take(FlowTime now, std::uint32_t limit) {
        if (now != second_) {
            second_ = now;
            taken_ = 0;
        }
        if (limit != 0 && taken_ >= limit) return false;
        ++taken_;
        return true;
    }

private:
    FlowTime second_ = 0;
    std::uint32_t taken_ = 0;
};

}  // namespace dsr::lb
