#include "lb/doctor/files.hpp"
#include "lb/doctor/observe.hpp"

namespace dsr::lb::doctor {
namespace {

// Directly below the device, or below the bus that it carries (virtio3/net/eth0).
std::vector<std::string> interfaces_of(const std::string& device) {
    std::vector<std::string> interfaces = names_in(device + "/net");
    for (const auto& name : names_in(device))
        if (name.starts_with("virtio"))
            for (auto& interface : names_in(device + "/" + name + "/net"))
                interfaces.push_back(std::move(interface));
    return interfaces;
}

std::string first_in(const std::string& directory) {
    const auto names = names_in(directory);
    return names.empty() ? std::string() : names.front();
}

int node_of(const std::string& device) {
    const auto node = read_unsigned(device + "/numa_node");  // "-1" where it is not known
    return node ? static_cast<int>(*node) : -1;
}

void read_group(const std::string& root, const std::string& path, PciDevice& device) {
    device.iommu_group = link_target(path + "/iommu_group");
    if (device.iommu_group.empty()) return;
    const std::string group = root + "/sys/kernel/iommu_groups/" + device.iommu_group;
    device.unsafe_group = read_text(group + "/name") == "vfio-noiommu";
    device.translated = read_text(group + "/type").value_or("").starts_with("DMA");
}

}  // namespace

std::vector<PciDevice> observe_pci(const std::string& root) {
    const std::string devices = root + "/sys/bus/pci/devices";
    std::vector<PciDevice> found;
    for (const auto& address : names_in(devices)) {
        const std::string path = devices + "/" + address;
        PciDevice device;
        device.address = address;
        device.class_code = static_cast<std::uint32_t>(read_unsigned(path + "/class").value_or(0));
        device.vendor = static_cast<std::uint16_t>(read_unsigned(path + "/vendor").value_or(0));
        device.device = static_cast<std::uint16_t>(read_unsigned(path + "/device").value_or(0));
        device.driver = link_target(path + "/driver");
        device.interfaces = interfaces_of(path);
        device.numa_node = node_of(path);
        device.interrupt = read_unsigned(path + "/irq").value_or(1) != 0;
        device.uio = first_in(path + "/uio");
        device.verbs = !first_in(path + "/infiniband_verbs").empty();
        read_group(root, path, device);
        found.push_back(std::move(device));
    }
    return found;
}

}  // namespace dsr::lb::doctor
