// What the DPDK driver asks of the machine, and tidies up on it, before DPDK starts. Needs no DPDK.
#pragma once

#include <cstdint>
#include <vector>

#include "common/config/model.hpp"
#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "lb/driver/dpdk/device.hpp"
#include "lb/driver/dpdk/dpdk_drivers.hpp"

namespace dsr::lb {

// Of files under /run/dpdk; our process id follows.
inline constexpr const char* kFilePrefix = "dsr-lb-";

// Bytes of huge pages of any size that nobody uses.
std::uint64_t free_huge_memory();

// Those that this process may run on.
std::vector<std::uint32_t> usable_cores();
// Of these, the cores on the NUMA node; empty when that is no restriction.
std::vector<std::uint32_t> cores_near(int node);
// The configured ones can be used; isolated ones (isolcpus), too.
Result<void> check_cores(const config::Dpdk& dpdk);

// Others than these; empty when there are none.
std::vector<std::uint32_t> cores_beside(const std::vector<std::uint32_t>& taken);

// A kernel's interface that a device works on is as the configuration says. Returns its index; 0: there is none.
Result<int> check_kernel_interface(netlink::Socket& socket, const DpdkInterface& interface);

// A PCI device exists; whether DPDK can open it is another question.
Result<void> check_pci_device(const DpdkInterface& interface);

// What a killed lb has left of its files. Nothing in them is of use to anybody.
void remove_stale_directories();
// A socket at which nobody listens any more keeps net_vhost from listening there.
void remove_stale_socket(const DpdkDevice& device);

}  // namespace dsr::lb
