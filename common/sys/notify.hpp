// Tells the service manager how far this program is (sd_notify(3)); does nothing when there is none.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace dsr::sys {

void notify_ready(const std::string& status);
void notify_status(const std::string& status);
void notify_reloading();
void notify_stopping();

// How often the service manager wants to hear notify_alive() of this process; nothing when it does not watch.
std::optional<std::chrono::microseconds> watchdog_timeout();
void notify_alive();

}  // namespace dsr::sys
