// What `device` of the configuration names: a PCI address, or a virtual device with its arguments, as DPDK reads them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dsr::lb::doctor {

struct Device {
    std::string text;                           // as configured
    std::string pci;                            // DDDD:BB:DD.F in lower case; empty: a virtual device
    std::string driver;                         // of a virtual device: one of lb::vdev_kinds(); empty: none of these
    std::map<std::string, std::string> values;  // key=value

    [[nodiscard]] bool is_pci() const { return !pci.empty(); }
    [[nodiscard]] std::string value(const std::string& key) const;
    [[nodiscard]] std::uint32_t number(const std::string& key, std::uint32_t otherwise) const;
    // The kernel's interfaces that a virtual device works on; usually one or none.
    [[nodiscard]] std::vector<std::string> kernel_interfaces() const;
};

// Neither a PCI device nor a virtual one: what lb does not know.
Device parse_device(const std::string& text);

// The file that DPDK's plugin directory has for it, up to and including ".so".
std::string plugin_of(const std::string& driver);

}  // namespace dsr::lb::doctor
