#include "common/sys/event_loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

namespace dsr::sys {
namespace {

Error system_error(const char* what) {
    return {std::string(what) + ": " + std::strerror(errno)};
}

sigset_t set_of(const std::vector<int>& signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals)
        sigaddset(&set, signal);
    return set;
}

}  // namespace

Result<EventLoop> EventLoop::create() {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll.valid()) return std::unexpected(system_error("epoll_create1"));
    return EventLoop(std::move(epoll));
}

Result<void> EventLoop::watch(int fd, Callback callback) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return std::unexpected(system_error("epoll_ctl"));
    callbacks_[fd] = std::move(callback);
    return {};
}

Result<void> EventLoop::watch_signals(const std::vector<int>& signals, std::function<void(int)> callback) {
    const sigset_t set = set_of(signals);
    signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.valid()) return std::unexpected(system_error("signalfd"));
    return watch(signals_.get(), [fd = signals_.get(), callback = std::move(callback)] {
        signalfd_siginfo info{};
        while (::read(fd, &info, sizeof info) == sizeof info)
            callback(static_cast<int>(info.ssi_signo));
    });
}

void EventLoop::run(std::chrono::milliseconds interval, const Callback& tick) {
    stopping_ = false;
    next_tick_ = Clock::now();
    while (!stopping_) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_tick_ - Clock::now());
        std::array<epoll_event, 16> events{};
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                       static_cast<int>(std::max(left, std::chrono::milliseconds(0)).count()));
        for (int i = 0; i < count && !stopping_; ++i)
            callbacks_.at(events[static_cast<std::size_t>(i)].data.fd)();
        if (!stopping_ && Clock::now() >= next_tick_) {
            next_tick_ = Clock::time_point::max();
            tick();
            tick_by(Clock::now() + interval);
        }
    }
}

void block_signals(const std::vector<int>& signals) {
    const sigset_t set = set_of(signals);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace dsr::sys
