// What one judgement works on, and the judges: each looks at one part of the host and writes what it finds into `out`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/model.hpp"
#include "lb/doctor/device.hpp"
#include "lb/doctor/finding.hpp"
#include "lb/doctor/observation.hpp"

namespace dsr::lb::doctor {

struct Case {
    const config::Config& config;
    const Observation& seen;
    std::vector<Device> devices;  // of the configured interfaces, in their order; empty with driver pcap
    bool lb_runs;                 // on this host already: what it holds is not missing
    Diagnosis& out;

    [[nodiscard]] bool dpdk() const { return config.load_balancer.driver == config::Driver::dpdk; }
    [[nodiscard]] const std::vector<config::Interface>& interfaces() const { return config.load_balancer.interfaces; }
    [[nodiscard]] const KernelLink* link(std::string_view name) const;
    [[nodiscard]] std::string link_name(int index) const;  // "?" when it has gone
    // The PCI device of the configured interface; null when there is none, or it is a virtual device.
    [[nodiscard]] const PciDevice* pci(std::size_t interface) const;
    [[nodiscard]] Access file(const std::string& path) const;
};

// How a PCI device gets to DPDK.
enum class Binding : std::uint8_t {
    vfio,
    uio,         // igb_uio, uio_pci_generic
    bifurcated,  // stays with its kernel driver
    kernel,      // must be taken from its kernel driver
    none,
};
Binding binding_of(const PciDevice& device);

// Works by physical addresses, which only huge pages keep in one piece: nothing translates for it.
bool needs_physical_memory(const PciDevice& device);

// MiB that DPDK takes for packets: what the file says, or an estimate.
std::uint64_t packet_memory(const config::LoadBalancer& balancer);

// Missing, down or without a carrier is found; null when nothing more can be said of it.
const KernelLink* judge_link(const Case& host, const std::string& name);
// Configured `mac` and `mtu` against the kernel's.
void judge_same_mac_and_mtu(const Case& host, const config::Interface& interface, const KernelLink& link);

// The command that switches these features off.
std::string switch_off(const KernelLink& link, const std::vector<std::string>& features);

void judge_privileges(const Case& host);
void judge_tun(const Case& host);
void judge_vips(const Case& host);
void judge_pcap_interfaces(const Case& host);
void judge_dpdk_build(const Case& host);
void judge_virtual_devices(const Case& host);
void judge_pci_devices(const Case& host);
void judge_kernel_interfaces(const Case& host);
void judge_huge_pages(const Case& host);
void judge_memlock(const Case& host);
void judge_cores(const Case& host);
void judge_receive_queues(const Case& host);

}  // namespace dsr::lb::doctor
