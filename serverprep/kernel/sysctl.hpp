// Numbers under /proc/sys/net/ipv4: for what netlink cannot reach, that is ip_forward and the settings of 'all' and
// 'default'. Settings of links go through netlink (common/sys/netlink/inet_conf.hpp).
#pragma once

#include <cstdint>

#include "common/sys/error.hpp"
#include "serverprep/setting.hpp"

namespace dsr::serverprep {

Result<std::uint32_t> read_sysctl(const Setting& setting);
Result<void> write_sysctl(const Setting& setting, std::uint32_t value);

}  // namespace dsr::serverprep
