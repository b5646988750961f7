// Capabilities, and the device node of the VIPs' routes.
#include <algorithm>
#include <map>

#include <linux/capability.h>

#include "lb/doctor/case.hpp"

namespace dsr::lb::doctor {
namespace {

struct Capability {
    int number;
    const char* name;
};

// In the order in which they are reported.
constexpr Capability kCapabilities[] = {{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
                                        {CAP_NET_RAW, "CAP_NET_RAW"},
                                        {CAP_BPF, "CAP_BPF"},
                                        {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
                                        {CAP_SYS_RAWIO, "CAP_SYS_RAWIO"}};
constexpr std::uint16_t kVirtio = 0x1af4;

using Needs = std::map<int, std::string>;  // capability, what for

void add_needs(const Device& device, const Process& process, Needs& needs) {
    if (device.driver == "net_af_packet" || device.driver == "net_af_xdp" || device.driver == "net_pcap")
        needs.emplace(CAP_NET_RAW, device.driver + " to open its socket");
    if (device.driver == "net_af_xdp" && !process.may(CAP_SYS_ADMIN))
        needs.emplace(CAP_BPF, "net_af_xdp to load its program");
}

void add_needs(const PciDevice& device, Needs& needs) {
    if (!needs_physical_memory(device) || binding_of(device) == Binding::kernel) return;
    needs.emplace(CAP_SYS_ADMIN,
                  "to learn the physical addresses of packets, as no IOMMU translates for " + device.address);
    if (device.unsafe_group || device.vendor == kVirtio)
        needs.emplace(CAP_SYS_RAWIO, "to drive " + device.address + " without an IOMMU");
}

Needs needs_of(const Case& host) {
    Needs needs{{CAP_NET_ADMIN, "for the device 'dsr-vip' and the VIPs' routes"}};
    if (!host.dpdk()) needs.emplace(CAP_NET_RAW, "to capture packets and send them");
    for (const auto& interface : host.interfaces()) {
        if (!host.dpdk()) break;
        const Device device = parse_device(interface.device);
        add_needs(device, host.seen.process, needs);
        const auto pci = std::ranges::find(host.seen.pci, device.pci, &PciDevice::address);
        if (device.is_pci() && pci != host.seen.pci.end()) add_needs(*pci, needs);
    }
    return needs;
}

std::string setcap(const Needs& needs) {
    std::string names;
    for (const auto& capability : kCapabilities) {
        if (!needs.contains(capability.number)) continue;
        std::string name = capability.name;
        std::ranges::transform(name, name.begin(),
                               [](char c) { return c == '_' ? c : static_cast<char>(c - 'A' + 'a'); });
        names += (names.empty() ? "" : ",") + name;
    }
    return "setcap " + names + "+ep $(command -v lb)";
}

}  // namespace

void judge_privileges(const Case& host) {
    const Needs needs = needs_of(host);
    std::string held;
    for (const auto& capability : kCapabilities) {
        const auto need = needs.find(capability.number);
        if (need == needs.end()) continue;
        if (host.seen.process.may(capability.number))
            held += (held.empty() ? "" : ", ") + std::string(capability.name);
        else
            host.out.error("capability-missing", capability.name,
                           "lb needs it " + need->second + "; started as this was, it would not have it",
                           "run lb as root, or: " + setcap(needs));
    }
    if (!held.empty()) host.out.fine("privileges", held);
}

void judge_tun(const Case& host) {
    const std::string path = "/dev/net/tun";
    switch (host.file(path)) {
        case Access::usable:
            return host.out.fine(path, "can be opened");
        case Access::missing:
            return host.out.error("tun-missing", path, "does not exist: lb could not make the device 'dsr-vip'",
                                  "modprobe tun (in a container: give it the device " + path + ")");
        case Access::denied:
            return host.out.error("tun-denied", path,
                                  "must not be opened by this user: lb could not make the device 'dsr-vip'",
                                  "chmod 0666 " + path + ", or run lb as root");
    }
}

}  // namespace dsr::lb::doctor
