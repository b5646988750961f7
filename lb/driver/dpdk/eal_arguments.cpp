#include "lb/driver/dpdk/eal_arguments.hpp"

#include <algorithm>

namespace dsr::lb {

std::vector<std::string> eal_arguments(const EalPlan& plan) {
    std::vector<std::string> arguments{"--lcores=0@" + std::to_string(plan.core), "--no-telemetry"};
    if (plan.huge_pages) {
        // Nothing on any file system: what a crash leaves behind is freed by the kernel.
        arguments.emplace_back("--in-memory");
    } else {
        arguments.insert(arguments.end(), {"--no-huge", "--no-shconf", "--file-prefix=" + plan.file_prefix});
        arguments.insert(arguments.end(), {"-m", std::to_string(plan.memory)});
    }
    const bool pci = std::ranges::any_of(plan.devices, &DpdkDevice::pci);
    if (!pci) arguments.emplace_back("--no-pci");
    for (const DpdkDevice& device : plan.devices)
        if (device.pci()) arguments.insert(arguments.end(), {"-a", device.devargs()});
    arguments.insert(arguments.end(), plan.extra.begin(), plan.extra.end());
    return arguments;
}

}  // namespace dsr::lb
