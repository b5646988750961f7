#include "lb/driver/dpdk/machine.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/sys/netlink/link.hpp"
#include "common/sys/unique_fd.hpp"

namespace dsr::lb {
namespace {

// Also a core that nothing is put on by itself (isolcpus).
bool may_run_on(std::uint32_t core) {
    bool may = false;
    if (core >= CPU_SETSIZE) return may;
    std::thread([&may, core] {
        cpu_set_t mask;
        CPU_ZERO(&mask);
        CPU_SET(core, &mask);
        may = ::sched_setaffinity(0, sizeof mask, &mask) == 0;
    }).join();
    return may;
}

}  // namespace

std::uint64_t free_huge_memory() {
    std::uint64_t bytes = 0;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", ignored)) {
        std::uint64_t pages = 0;
        std::ifstream(entry.path() / "free_hugepages") >> pages;
        const std::string name = entry.path().filename();  // hugepages-2048kB
        bytes += pages * 1024 * std::strtoull(name.substr(name.find('-') + 1).c_str(), nullptr, 10);
    }
    return bytes;
}

std::vector<std::uint32_t> usable_cores() {
    cpu_set_t mask;
    std::vector<std::uint32_t> cores;
    if (::sched_getaffinity(0, sizeof mask, &mask) != 0) return {0};
    for (std::uint32_t core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &mask)) cores.push_back(core);
    return cores;
}

Result<void> check_cores(const config::Dpdk& dpdk) {
    for (const std::uint32_t core : dpdk.cores)
        if (!may_run_on(core))
            return fail("dpdk.cores: lb may not run on core " + std::to_string(core) +
                        ", which does not exist, is offline, or was taken from this process (cpuset)");
    return {};
}

std::vector<std::uint32_t> cores_near(int node) {
    if (node < 0) return {};
    const auto usable = usable_cores();
    std::vector<std::uint32_t> near;
    std::ranges::copy_if(usable, std::back_inserter(near), [node](std::uint32_t core) {
        return std::filesystem::exists("/sys/devices/system/cpu/cpu" + std::to_string(core) + "/node" +
                                       std::to_string(node));
    });
    return near.size() == usable.size() ? std::vector<std::uint32_t>{} : near;
}

std::vector<std::uint32_t> cores_beside(const std::vector<std::uint32_t>& taken) {
    std::vector<std::uint32_t> cores = usable_cores();
    std::erase_if(cores, [&taken](std::uint32_t core) { return std::ranges::find(taken, core) != taken.end(); });
    return cores;
}

Result<int> check_kernel_interface(netlink::Socket& socket, const DpdkInterface& interface) {
    const std::string& name = interface.device.kernel_iface;
    if (name.empty()) return 0;
    const std::string subject = "interface '" + interface.name + "': ";
    const auto found = netlink::find_link(socket, name);
    if (!found) return std::unexpected(found.error());
    const std::optional<netlink::Link>& link = *found;
    if (!link) return fail(subject + "there is no '" + name + "', which device '" + interface.device.name + "' names");
    if (!link->up) return fail(subject + "'" + name + "' is down; bring it up with: ip link set " + name + " up");
    const sys::UniqueFd allowed(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    if (!allowed.valid() && errno == EPERM)
        return fail(subject + "'" + name + "' cannot be opened: lb needs the capability CAP_NET_RAW (run it as root)");
    if (link->mac != interface.mac)
        return fail(subject + "'" + name + "' has the MAC address " + wire::to_string(link->mac) + ", not " +
                    wire::to_string(interface.mac) + "; write the same into the configuration");
    if (link->mtu < interface.mtu)
        return fail(subject + "'" + name + "' has an MTU of " + std::to_string(link->mtu) + ", not " +
                    std::to_string(interface.mtu) + "; write the same into the configuration");
    if (interface.kernel_tap >= 0 && interface.device.kind->shared_with_kernel)
        return fail(subject + "the kernel keeps '" + name + "' and sees all of its traffic itself; remove " +
                    "kernel_interface");
    return link->index;
}

Result<void> check_pci_device(const DpdkInterface& interface) {
    const std::string& address = interface.device.name;
    if (!interface.device.pci() || std::filesystem::exists("/sys/bus/pci/devices/" + address)) return {};
    return fail("interface '" + interface.name + "': there is no PCI device '" + address +
                "'; 'lb doctor' lists those there are");
}

void remove_stale_directories() {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/run/dpdk", ignored)) {
        const std::string name = entry.path().filename();
        if (!name.starts_with(kFilePrefix)) continue;
        const bool runs = std::filesystem::exists("/proc/" + name.substr(std::strlen(kFilePrefix)), ignored);
        if (!runs) std::filesystem::remove_all(entry.path(), ignored);
    }
}

void remove_stale_socket(const DpdkDevice& device) {
    if (device.pci() || device.kind->name != "net_vhost" || device.argument("client") == "1") return;
    const std::string path = device.argument("iface");
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    std::error_code ignored;
    if (path.empty() || path.size() >= sizeof address.sun_path || !std::filesystem::is_socket(path, ignored)) return;
    std::memcpy(address.sun_path, path.c_str(), path.size());
    const sys::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
        errno == ECONNREFUSED)
        std::filesystem::remove(path, ignored);
}

}  // namespace dsr::lb
