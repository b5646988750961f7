// Whether this lb was built with DPDK. Needs none of it.
#pragma once

#include <string>

namespace dsr::lb {

bool dpdk_in_this_build();

// Where DPDK looks for the drivers of devices; empty: they are linked in, or there is no DPDK.
std::string dpdk_plugin_directory();

inline constexpr const char* kNoDpdk =
    "driver 'dpdk' is not in this build of lb: install libdpdk-dev, then build it again";

}  // namespace dsr::lb
