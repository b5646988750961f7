#include "lb/control/notify.hpp"

#include <systemd/sd-daemon.h>

namespace dsr::lb {

void notify_ready(const std::string& status) {
    ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}

void notify_stopping() {
    ::sd_notify(0, "STOPPING=1");
}

}  // namespace dsr::lb
