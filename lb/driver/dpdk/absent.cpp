// In place of the DPDK driver where lb is built without libdpdk.
#include "lb/driver/dpdk/dpdk_drivers.hpp"
#include "lb/driver/dpdk/support.hpp"

namespace dsr::lb {

bool dpdk_in_this_build() {
    return false;
}

std::string dpdk_plugin_directory() {
    return {};
}

Result<std::unique_ptr<Drivers>> open_dpdk(const DpdkSettings& /*settings*/) {
    return fail(kNoDpdk);
}

}  // namespace dsr::lb
