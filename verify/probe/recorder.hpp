// A capture and the frames it has gathered so far, filled while one waits for something else.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include <poll.h>

#include "common/wire/build.hpp"
#include "verify/capture/capture.hpp"

namespace dsr::verify {

using Clock = std::chrono::steady_clock;

class Recorder {
public:
    explicit Recorder(Capture capture) : capture_(std::move(capture)) {}

    // Waits until one of `sockets` is ready, a frame came or the deadline is there, then takes what was captured.
    // The capture's own descriptor is added; `sockets` have their `revents` set.
    Result<void> wait(std::vector<pollfd>& sockets, Clock::time_point deadline);

    // Takes frames until the condition holds, at most until the deadline.
    Result<void> wait_until(const std::function<bool()>& condition, Clock::time_point deadline);

    // Sends the frame that the builder has, and counts it among those sent.
    Result<void> inject(wire::FrameBuilder& builder);

    [[nodiscard]] const std::vector<Frame>& frames() const { return frames_; }

private:
    Capture capture_;
    std::vector<Frame> frames_;
};

}  // namespace dsr::verify
