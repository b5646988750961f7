// Tells the service manager how far lb is (sd_notify(3)); does nothing when there is none.
#pragma once

#include <string>

namespace dsr::lb {

void notify_ready(const std::string& status);
void notify_reloading();
void notify_stopping();

}  // namespace dsr::lb
