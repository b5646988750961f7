// Huge pages, and the limit on memory that stays in place.
#include <algorithm>

#include <linux/capability.h>

#include "lb/doctor/case.hpp"
#include "lb/driver/dpdk/buffers.hpp"

namespace dsr::lb::doctor {
namespace {

constexpr std::uint64_t kKibPerMib = 1024;
constexpr std::uint64_t kBytesPerMib = 1024 * kKibPerMib;

std::vector<const PciDevice*> pci_devices(const Case& host) {
    std::vector<const PciDevice*> devices;
    for (std::size_t i = 0; i < host.devices.size(); ++i)
        if (const PciDevice* device = host.pci(i)) devices.push_back(device);
    return devices;
}

std::uint64_t free_mib(const std::vector<HugePages>& pools, std::optional<int> node = {}) {
    std::uint64_t kib = 0;
    for (const auto& pool : pools)
        if (!node || pool.node == *node) kib += pool.free * pool.size_kib;
    return kib / kKibPerMib;
}

std::uint64_t pages_for(std::uint64_t mib, std::uint64_t page_kib) {
    return (mib * kKibPerMib + page_kib - 1) / page_kib;
}

// The kernel is told how many there shall be in all, so those that others hold count.
std::string reserve_command(const Case& host) {
    const std::uint64_t page = host.seen.huge_page_kib;
    std::uint64_t used = 0;
    for (const auto& pool : host.seen.huge_pages)
        if (pool.size_kib == page) used += pool.total - std::min(pool.total, pool.free);
    return "sysctl vm.nr_hugepages=" + std::to_string(used + pages_for(packet_memory(host.config.load_balancer), page));
}

std::string reserve_on_node(const Case& host, int node) {
    const std::string page = std::to_string(host.seen.huge_page_kib);
    return "echo " + std::to_string(pages_for(packet_memory(host.config.load_balancer), host.seen.huge_page_kib)) +
           " > /sys/devices/system/node/node" + std::to_string(node) + "/hugepages/hugepages-" + page +
           "kB/nr_hugepages";
}

void judge_none_wanted(const Case& host, const PciDevice& device) {
    if (!needs_physical_memory(device)) return;
    host.out.error("huge-pages-off", device.address,
                   "works by physical addresses, as no IOMMU translates for it, and the file says huge_pages: none",
                   "huge_pages: auto in the configuration, and: " + reserve_command(host));
}

void judge_too_few(const Case& host, const std::vector<const PciDevice*>& devices, std::uint64_t free) {
    const auto physical =
        std::ranges::find_if(devices, [](const auto* device) { return needs_physical_memory(*device); });
    const std::string found =
        free == 0 ? "no huge page is free" : "only " + std::to_string(free) + " MiB of huge pages are free";
    if (physical != devices.end())
        host.out.error("huge-pages-missing", (*physical)->address,
                       found + ", and the device works with nothing else, as no IOMMU translates for it",
                       reserve_command(host));
    else
        host.out.warning("huge-pages-missing", devices.front()->address,
                         found + ": lb takes ordinary memory, which is slower", reserve_command(host));
}

void judge_node(const Case& host, const PciDevice& device) {
    const int node = device.numa_node;
    const auto here = [&](const HugePages& pool) { return pool.node == node; };
    if (node < 0 || std::ranges::none_of(host.seen.huge_pages, here)) return;
    if (free_mib(host.seen.huge_pages, node) > 0) return;
    host.out.warning("huge-pages-other-node", device.address,
                     "is on NUMA node " + std::to_string(node) +
                         ", which has no free huge page: packets would cross to "
                         "another node's memory",
                     reserve_on_node(host, node));
}

}  // namespace

std::uint64_t packet_memory(const config::LoadBalancer& balancer) {
    if (balancer.dpdk.memory) return *balancer.dpdk.memory;
    std::vector<DpdkDevice> devices;
    for (const auto& interface : balancer.interfaces)
        devices.push_back(lb::parse_device(interface.device).value_or(DpdkDevice{}));
    std::vector<PortNeeds> ports;
    for (std::size_t i = 0; i < devices.size(); ++i)
        ports.push_back(
            {&devices[i], balancer.interfaces[i].mtu.value_or(1500), !balancer.interfaces[i].kernel_interface.empty()});
    return plan_buffers(ports, balancer.workers).memory;
}

void judge_huge_pages(const Case& host) {
    const auto devices = pci_devices(host);
    if (devices.empty()) return;
    const auto& dpdk = host.config.load_balancer.dpdk;
    if (dpdk.huge_pages == config::HugePages::none) {
        for (const auto* device : devices)
            judge_none_wanted(host, *device);
        return;
    }
    if (host.lb_runs) return;  // it may hold them all
    const std::uint64_t free = free_mib(host.seen.huge_pages);
    // An estimate is no reason to complain of what is there.
    if (free == 0 || (dpdk.memory && free < *dpdk.memory)) return judge_too_few(host, devices, free);
    host.out.fine("huge pages", std::to_string(free) + " MiB are free");
    for (const auto* device : devices)
        judge_node(host, *device);
}

void judge_memlock(const Case& host) {
    const auto devices = pci_devices(host);
    const auto by_vfio = [](const auto* device) {
        return binding_of(*device) == Binding::vfio && !device->unsafe_group;
    };
    const auto device = std::ranges::find_if(devices, by_vfio);
    if (device == devices.end() || host.seen.process.may(CAP_IPC_LOCK)) return;
    const std::uint64_t needed = packet_memory(host.config.load_balancer);
    // No limit is more than enough.
    const std::uint64_t limit = host.seen.process.memlock.value_or(needed * kBytesPerMib);
    if (limit >= needed * kBytesPerMib) return;
    host.out.error("memlock-limit", (*device)->address,
                   "vfio keeps lb's memory in place for the device, some " + std::to_string(needed) +
                       " MiB, but the limit is " + std::to_string(limit / kKibPerMib) + " KiB",
                   "ulimit -l unlimited (for a service: LimitMEMLOCK=infinity), or the capability CAP_IPC_LOCK");
}

}  // namespace dsr::lb::doctor
