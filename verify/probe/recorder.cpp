#include "verify/probe/recorder.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace dsr::verify {

Result<void> Recorder::wait(std::vector<pollfd>& sockets, Clock::time_point deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    sockets.push_back({capture_.fd(), POLLIN, 0});
    const int ready = ::poll(sockets.data(), sockets.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    const int reason = errno;
    sockets.pop_back();
    if (ready < 0 && reason != EINTR) return fail(fmt::format("poll: {}", std::strerror(reason)));
    return capture_.drain(frames_);
}

Result<void> Recorder::wait_until(const std::function<bool()>& condition, Clock::time_point deadline) {
    std::vector<pollfd> none;
    while (!condition() && Clock::now() < deadline)
        if (auto waited = wait(none, deadline); !waited) return waited;
    return {};
}

Result<void> Recorder::inject(wire::FrameBuilder& builder) {
    const auto frame = builder.finish();
    if (!frame) return fail("a probe does not fit its buffer");
    return capture_.inject(*frame, frames_);
}

}  // namespace dsr::verify
