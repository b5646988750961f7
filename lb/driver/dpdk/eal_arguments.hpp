// The arguments of DPDK's environment abstraction layer (EAL), derived from the configuration. Pure, and needs no DPDK.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/model.hpp"
#include "lb/driver/dpdk/device.hpp"

namespace dsr::lb {

struct EalPlan {
    std::vector<DpdkDevice> devices;
    bool huge_pages = false;
    std::uint32_t memory = 0;  // MiB, of packet buffers and queues
    std::uint32_t core = 0;    // one that lb may run on: the EAL insists on one of its own, which nothing then runs on
    std::string file_prefix;   // of files under /run/dpdk, should the EAL make any
    std::vector<std::string> extra;  // the operator's
};

// Without the program's name. Virtual devices are not in it: they are opened one by one, to tell whose error it is.
std::vector<std::string> eal_arguments(const EalPlan& plan);

}  // namespace dsr::lb
