#include "lb/doctor/device.hpp"

#include <algorithm>
#include <charconv>

#include "lb/driver/dpdk/device.hpp"

namespace dsr::lb::doctor {
namespace {

// "name,key=value,key=value"; cuts the first part off.
std::string_view next_part(std::string_view& rest) {
    const auto comma = rest.find(',');
    const auto part = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    return part;
}

}  // namespace

std::string Device::value(const std::string& key) const {
    const auto found = values.find(key);
    return found == values.end() ? std::string() : found->second;
}

std::uint32_t Device::number(const std::string& key, std::uint32_t otherwise) const {
    const std::string text_of_value = value(key);
    std::uint32_t result = otherwise;
    std::from_chars(text_of_value.data(), text_of_value.data() + text_of_value.size(), result);
    return result;
}

std::vector<std::string> Device::kernel_interfaces() const {
    std::vector<std::string> names;
    const auto add = [&](const char* key) {
        const std::string name = value(key);
        if (!name.empty() && std::ranges::find(names, name) == names.end()) names.push_back(name);
    };
    if (driver == "net_af_packet" || driver == "net_af_xdp" || driver == "net_pcap") add("iface");
    if (driver == "net_pcap")
        for (const char* key : {"rx_iface", "rx_iface_in", "tx_iface"})
            add(key);
    if (driver == "net_tap") add("remote");
    return names;
}

Device parse_device(const std::string& text) {
    Device device;
    device.text = text;
    const auto parsed = lb::parse_device(text);
    if (!parsed) return device;
    if (parsed->pci())
        device.pci = parsed->name;
    else
        device.driver = parsed->kind->name;
    std::string_view rest = parsed->arguments;
    while (!rest.empty()) {
        const auto part = next_part(rest);
        const auto equals = part.find('=');
        if (equals != std::string_view::npos)
            device.values.emplace(std::string(part.substr(0, equals)), std::string(part.substr(equals + 1)));
    }
    return device;
}

std::string plugin_of(const std::string& driver) {
    return "librte_" + (driver == "net_virtio_user" ? "net_virtio" : driver) + ".so";
}

}  // namespace dsr::lb::doctor
