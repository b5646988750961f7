// Waits for descriptors, a timer and signals on one thread, and calls back.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/unique_fd.hpp"

namespace dsr::sys {

class EventLoop {
public:
    using Clock = std::chrono::steady_clock;
    using Callback = std::function<void()>;

    static Result<EventLoop> create();

    // Calls back whenever the descriptor is readable, until the loop ends.
    Result<void> watch(int fd, Callback callback);
    // Calls back for each of these signals. They must be blocked in every thread (block_signals).
    Result<void> watch_signals(const std::vector<int>& signals, std::function<void(int)> callback);

    // Runs callbacks, and `tick` at least every `interval`, until stop().
    void run(std::chrono::milliseconds interval, const Callback& tick);
    // From a callback or from `tick`: the next tick comes at this time, or earlier if it was due earlier.
    void tick_by(Clock::time_point time) { next_tick_ = std::min(next_tick_, time); }
    void stop() { stopping_ = true; }

private:
    explicit EventLoop(UniqueFd epoll) : epoll_(std::move(epoll)) {}

    UniqueFd epoll_;
    UniqueFd signals_;
    std::map<int, Callback> callbacks_;
    Clock::time_point next_tick_;
    bool stopping_ = false;
};

// In this thread and those it starts from now on.
void block_signals(const std::vector<int>& signals);

}  // namespace dsr::sys
