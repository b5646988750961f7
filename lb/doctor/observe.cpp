#include "lb/doctor/observe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "lb/doctor/device.hpp"
#include "lb/doctor/files.hpp"
#include "lb/driver/dpdk/support.hpp"

namespace dsr::lb::doctor {
namespace {

Access access_of(const std::string& path) {
    if (::faccessat(AT_FDCWD, path.c_str(), F_OK, AT_EACCESS) != 0) return Access::missing;
    return ::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) == 0 ? Access::usable : Access::denied;
}

std::set<std::string> files_of(const config::Config& config, const std::vector<PciDevice>& pci) {
    std::set<std::string> paths{"/dev/net/tun", "/dev/vfio/vfio"};
    for (const auto& device : pci) {
        if (!device.iommu_group.empty()) paths.insert(vfio_node(device));
        if (!device.uio.empty()) paths.insert("/dev/" + device.uio);
    }
    for (const auto& interface : config.load_balancer.interfaces)
        if (const auto path = parse_device(interface.device).value("path"); !path.empty()) paths.insert(path);
    return paths;
}

}  // namespace

std::string vfio_node(const PciDevice& device) {
    return "/dev/vfio/" + std::string(device.unsafe_group ? "noiommu-" : "") + device.iommu_group;
}

void observe_machine(const std::string& root, const config::Config& config, Observation& seen) {
    seen.process = observe_process(root);
    seen.processors = observe_processors(root);
    seen.huge_pages = observe_huge_pages(root);
    seen.huge_page_kib = default_huge_page_kib(root);
    seen.pci = observe_pci(root);
    seen.vfio_pci_loaded = access_of(root + "/sys/bus/pci/drivers/vfio-pci") != Access::missing;
    for (const auto& path : files_of(config, seen.pci))
        seen.files.emplace(path, access_of(root + path));
}

Result<Observation> observe(const config::Config& config) {
    Observation seen;
    if (auto network = observe_network(seen); !network) return std::unexpected(network.error());
    observe_machine("", config, seen);
    seen.dpdk_in_build = dpdk_in_this_build();
    if (const std::string directory = dpdk_plugin_directory(); !directory.empty()) {
        const auto names = names_in(directory);
        seen.plugins.emplace(names.begin(), names.end());
    }
    return seen;
}

}  // namespace dsr::lb::doctor
