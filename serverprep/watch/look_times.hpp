// When the guard looks at the host: soon after the kernel said that something changed, and again a while later, and now
// and then because not every change is said. Pure: is told the time. Does not know what a look is.
#pragma once

#include <chrono>
#include <optional>

namespace dsr::serverprep {

class LookTimes {
public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;

    explicit LookTimes(std::chrono::milliseconds interval) : interval_(interval) {}

    // The kernel said that something changed.
    void heard(Time now);
    // A look, and the repair that came of it, took this time.
    void looked(Time begin, Time end);

    [[nodiscard]] bool due(Time now) const { return next() <= now; }
    [[nodiscard]] Time next() const;
    [[nodiscard]] Time last() const { return last_look_; }  // its end

private:
    std::chrono::milliseconds interval_;
    Time last_look_;
    Time earliest_;
    std::optional<Time> settled_;
    std::optional<Time> soon_after_;
    std::optional<Time> well_after_;
};

}  // namespace dsr::serverprep
