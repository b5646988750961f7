// What was seen of this host, as plain values: everything that the judges of diagnose.hpp know of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/sys/netlink/address.hpp"
#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/route.hpp"

namespace dsr::lb::doctor {

using Cores = std::set<std::uint32_t>;

// Of the process that looks; lb run started the same way has the same.
struct Process {
    std::uint64_t capabilities = 0;        // effective, a bit each (capabilities(7))
    std::optional<std::uint64_t> memlock;  // bytes; unset: no limit
    Cores affinity;                        // cores it may run on as started
    std::optional<Cores> cpuset;           // cores its cgroup allows at all; unset: not known, or all

    [[nodiscard]] bool may(int capability) const {
        return (capabilities >> static_cast<unsigned>(capability) & 1U) != 0;
    }
};

struct KernelLink {
    netlink::Link link;
    std::set<std::string> features;         // those that are on, by the names of ethtool -k
    std::set<std::string> fixed;            // of these, those that cannot be switched off
    std::uint32_t receive_queues = 0;       // in use; 0: not known
    std::uint32_t most_receive_queues = 0;  // that the hardware has; 0: not known
    bool combined_queues = true;            // each with a transmit queue, as net_af_xdp wants it; false on veth
};

struct PciDevice {
    std::string address;
    std::uint32_t class_code = 0;  // 24 bits: base class, subclass, interface
    std::uint16_t vendor = 0;
    std::uint16_t device = 0;
    std::string driver;                   // empty: none
    std::vector<std::string> interfaces;  // the kernel's, of this device
    std::string iommu_group;              // its number; empty: none
    bool unsafe_group = false;            // made by vfio's no-IOMMU mode
    bool translated = false;              // the IOMMU translates for the kernel's drivers (group type DMA or DMA-FQ)
    int numa_node = -1;                   // -1: not known
    bool interrupt = true;                // has a legacy interrupt
    std::string uio;                      // "uio0" where it has one
    bool verbs = false;                   // RDMA verbs, which bifurcated drivers work through
};

struct HugePages {
    int node = -1;  // NUMA node; -1: of a kernel without NUMA
    std::uint64_t size_kib = 0;
    std::uint64_t total = 0;
    std::uint64_t free = 0;
};

struct Processors {
    Cores present;
    Cores online;
    std::map<int, Cores> nodes;  // by NUMA node
};

enum class Access : std::uint8_t { missing, denied, usable };  // usable: for reading and writing

struct Observation {
    Process process;
    std::vector<KernelLink> links;
    std::vector<netlink::Address> addresses;
    std::vector<netlink::Route> routes;  // of the main table
    std::vector<PciDevice> pci;          // ordered by address
    bool vfio_pci_loaded = false;
    std::vector<HugePages> huge_pages;
    std::uint64_t huge_page_kib = 2048;  // the kernel's default size
    Processors processors;
    std::map<std::string, Access> files;  // device nodes and sockets
    bool dpdk_in_build = false;
    std::optional<std::set<std::string>> plugins;  // file names of DPDK's plugin directory; unset: DPDK needs none
};

}  // namespace dsr::lb::doctor
