#include "lb/doctor/diagnose.hpp"

#include <algorithm>

#include "lb/control/vip_routes.hpp"
#include "lb/doctor/case.hpp"

namespace dsr::lb::doctor {

const KernelLink* Case::link(std::string_view name) const {
    const auto found = std::ranges::find(seen.links, name, [](const KernelLink& each) { return each.link.name; });
    return found == seen.links.end() ? nullptr : &*found;
}

std::string Case::link_name(int index) const {
    const auto found = std::ranges::find(seen.links, index, [](const KernelLink& each) { return each.link.index; });
    return found == seen.links.end() ? "?" : found->link.name;
}

const PciDevice* Case::pci(std::size_t interface) const {
    if (!devices[interface].is_pci()) return nullptr;
    const auto found = std::ranges::find(seen.pci, devices[interface].pci, &PciDevice::address);
    return found == seen.pci.end() ? nullptr : &*found;
}

Access Case::file(const std::string& path) const {
    const auto found = seen.files.find(path);
    return found == seen.files.end() ? Access::missing : found->second;
}

namespace {

// The device lives and dies with lb.
bool lb_runs(const Observation& seen) {
    return std::ranges::any_of(seen.links, [](const KernelLink& each) { return each.link.name == kVipDevice; });
}

}  // namespace

Diagnosis diagnose(const config::Config& config, const Observation& seen) {
    Diagnosis diagnosis;
    Case host{config, seen, {}, lb_runs(seen), diagnosis};
    if (host.lb_runs) diagnosis.fine("lb", "one is running on this host; what it holds is not counted as missing");
    judge_privileges(host);
    judge_tun(host);
    judge_vips(host);
    if (!host.dpdk()) {
        judge_pcap_interfaces(host);
        return diagnosis;
    }
    for (const auto& interface : host.interfaces())
        host.devices.push_back(parse_device(interface.device));
    for (const auto judge : {judge_dpdk_build, judge_virtual_devices, judge_pci_devices, judge_kernel_interfaces,
                             judge_huge_pages, judge_memlock, judge_cores, judge_receive_queues})
        judge(host);
    return diagnosis;
}

}  // namespace dsr::lb::doctor
