// Processor cores, and how packets get to the workers that run on them.
#include <algorithm>

#include "lb/doctor/case.hpp"
#include "lb/doctor/files.hpp"

namespace dsr::lb::doctor {
namespace {

std::string worker_text(std::uint32_t workers) {
    return std::to_string(workers) + (workers == 1 ? " worker" : " workers");
}

Cores without(const Cores& cores, const Cores& those) {
    Cores left;
    std::ranges::set_difference(cores, those, std::inserter(left, left.end()));
    return left;
}

void judge_core(const Case& host, std::uint32_t core) {
    const auto& processors = host.seen.processors;
    const auto& process = host.seen.process;
    const std::string number = std::to_string(core);
    const std::string subject = "core " + number;
    const std::string others = "name others in 'cores': ";
    if (!processors.present.contains(core))
        return host.out.error("core-missing", subject, "this machine has no such core",
                              others + cores_text(processors.online));
    if (!processors.online.contains(core))
        return host.out.error("core-offline", subject, "is switched off", "chcpu -e " + number);
    if (process.cpuset && !process.cpuset->contains(core))
        return host.out.error("core-not-allowed", subject, "is not among the cores that this control group may use",
                              others + cores_text(*process.cpuset) + ", or widen the group's cpuset");
}

void judge_numa(const Case& host, const Cores& cores, const PciDevice& device) {
    const auto& nodes = host.seen.processors.nodes;
    const auto node = nodes.find(device.numa_node);
    if (node == nodes.end() || nodes.size() < 2) return;
    const Cores far = without(cores, node->second);
    if (far.empty()) return;
    host.out.warning("cores-other-node", device.address,
                     "is on NUMA node " + std::to_string(device.numa_node) + ", cores " + cores_text(far) +
                         " are not: each packet would cross between the nodes",
                     "choose 'cores' among " + cores_text(node->second));
}

// Whether the device itself gives each worker a queue of flows of its own; nullopt when it cannot be told.
std::optional<bool> spreads(const Case& host, std::size_t i) {
    const Device& device = host.devices[i];
    const std::uint32_t workers = host.config.load_balancer.workers;
    if (!device.is_pci()) {
        if (device.driver.empty()) return std::nullopt;
        // The others report no hash of flows to DPDK.
        return device.driver == "net_null" || device.driver == "net_tap";
    }
    const PciDevice* pci = host.pci(i);
    if (pci == nullptr || pci->interfaces.empty()) return std::nullopt;
    const KernelLink* each = host.link(pci->interfaces.front());
    if (each == nullptr || each->most_receive_queues == 0) return std::nullopt;
    return each->most_receive_queues >= workers;
}

// A core that receives for all workers, where a device cannot spread its flows over them.
bool needs_receiving_core(const Case& host) {
    if (host.config.load_balancer.workers == 1) return false;
    for (std::size_t i = 0; i < host.devices.size(); ++i)
        if (spreads(host, i) == false) return true;
    return false;
}

Cores allowed(const Case& host) {
    return host.seen.process.affinity.empty() ? host.seen.processors.online : host.seen.process.affinity;
}

void judge_count(const Case& host, const Cores& configured) {
    const std::uint32_t workers = host.config.load_balancer.workers;
    const bool receiver = needs_receiving_core(host);
    const std::size_t needed = workers + (receiver ? 1 : 0);
    const std::size_t there = configured.empty() ? allowed(host).size() : configured.size();
    const std::string which = configured.empty() ? "cores that lb may run on" : "cores in the file";
    if (there >= needed)
        return host.out.fine("cores", worker_text(workers) + ", " + std::to_string(there) + " " + which);
    host.out.warning("cores-too-few", "cores",
                     worker_text(workers) + (receiver ? " and a core that receives for them need " : " need ") +
                         std::to_string(needed) + " cores; there are " + std::to_string(there) + " " + which +
                         ": some would share one",
                     configured.empty() ? "workers: " +
                                              std::to_string(std::max<std::size_t>(
                                                  1, there - std::min<std::size_t>(there, receiver ? 1 : 0))) +
                                              " in the configuration"
                                        : "give " + std::to_string(needed) + " 'cores', or fewer 'workers'");
}

}  // namespace

void judge_cores(const Case& host) {
    const auto& configured = host.config.load_balancer.dpdk.cores;
    const Cores cores(configured.begin(), configured.end());
    for (const std::uint32_t core : cores)
        judge_core(host, core);
    for (std::size_t i = 0; i < host.devices.size(); ++i)
        if (const PciDevice* device = host.pci(i)) judge_numa(host, cores, *device);
    judge_count(host, cores);
}

void judge_receive_queues(const Case& host) {
    const std::uint32_t workers = host.config.load_balancer.workers;
    if (workers == 1) return;
    for (std::size_t i = 0; i < host.devices.size(); ++i)
        if (spreads(host, i) == false)
            host.out.warning("no-receive-side-scaling", host.devices[i].text,
                             "cannot spread flows over " + worker_text(workers) +
                                 ": one more core receives for all, and hands flows to them",
                             "workers: 1, or a device with as many receive queues as workers");
}

}  // namespace dsr::lb::doctor
