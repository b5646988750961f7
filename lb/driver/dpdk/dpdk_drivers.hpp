// Drivers over DPDK: its environment, the ports, a driver for each worker, and the threads beside them. Needs no DPDK
// header.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/config/model.hpp"
#include "common/sys/error.hpp"
#include "common/wire/address.hpp"
#include "lb/driver/dpdk/device.hpp"
#include "lb/driver/drivers.hpp"

namespace dsr::lb {

struct DpdkInterface {
    std::string name;  // the configuration's
    DpdkDevice device;
    wire::MacAddress mac;
    std::uint32_t mtu = 1500;  // bytes of IP packet
    int kernel_tap = -1;       // a TAP's descriptor, to be kept open; -1: the kernel gets nothing
};

struct DpdkSettings {
    std::vector<DpdkInterface> interfaces;
    std::uint32_t workers = 1;
    config::Dpdk dpdk;
};

// Once in the life of a process. Errors name the device and how to mend it.
Result<std::unique_ptr<Drivers>> open_dpdk(const DpdkSettings& settings);

}  // namespace dsr::lb
