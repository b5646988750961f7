// How sysctl.d(5) spells our settings. Pure.
#pragma once

#include <string>
#include <vector>

#include "serverprep/persist/persistence.hpp"

namespace dsr::serverprep::persist {

// Below /proc/sys: net/ipv4/conf/eth0.5/rp_filter. Empty for what is no sysctl (a link's flags).
std::string sysctl_key(const Setting& setting);

std::string render_sysctl(const std::vector<SettingValue>& settings);

}  // namespace dsr::serverprep::persist
