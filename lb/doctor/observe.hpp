// Looks at this host: /proc, /sys, /dev, rtnetlink and ethtool. Changes nothing, opens no device, needs no privilege.
#pragma once

#include <string>

#include "common/config/model.hpp"
#include "common/sys/error.hpp"
#include "lb/doctor/observation.hpp"

namespace dsr::lb::doctor {

// Links with their offloads, addresses and routes. Errors: the kernel does not answer.
Result<void> observe_network(Observation& seen);

// The files below `root` ("" on a real host): the process, processors, memory, PCI devices, device nodes.
void observe_machine(const std::string& root, const config::Config& config, Observation& seen);

// The parts of observe_machine.
Process observe_process(const std::string& root);
Processors observe_processors(const std::string& root);
std::vector<HugePages> observe_huge_pages(const std::string& root);
std::uint64_t default_huge_page_kib(const std::string& root);
std::vector<PciDevice> observe_pci(const std::string& root);

// The device node of its IOMMU group.
std::string vfio_node(const PciDevice& device);

// Everything, of the host that this runs on.
Result<Observation> observe(const config::Config& config);

}  // namespace dsr::lb::doctor
