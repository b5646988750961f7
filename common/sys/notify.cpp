#include "common/sys/notify.hpp"

#include <cstdint>
#include <ctime>

#include <systemd/sd-daemon.h>

namespace dsr::sys {

void notify_ready(const std::string& status) {
    ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void notify_status(const std::string& status) {
    ::sd_notify(0, ("STATUS=" + status).c_str());
}

void notify_reloading() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto microseconds = static_cast<std::int64_t>(now.tv_sec) * 1000000 + now.tv_nsec / 1000;
    ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds)).c_str());
}

void notify_stopping() {
    ::sd_notify(0, "STOPPING=1");
}

std::optional<std::chrono::microseconds> watchdog_timeout() {
    std::uint64_t microseconds = 0;
    if (::sd_watchdog_enabled(0, &microseconds) <= 0) return std::nullopt;
    return std::chrono::microseconds(microseconds);
}

void notify_alive() {
    ::sd_notify(0, "WATCHDOG=1");
}

}  // namespace dsr::sys
