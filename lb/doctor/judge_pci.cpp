// PCI devices: there, bound to a driver that DPDK works with, and reachable through it.
#include <algorithm>

#include "lb/doctor/case.hpp"
#include "lb/doctor/observe.hpp"

namespace dsr::lb::doctor {
namespace {

constexpr std::uint32_t kNetwork = 0x02;   // base class
constexpr std::uint32_t kBridge = 0x0604;  // base class and subclass: PCI-to-PCI bridge
constexpr std::uint16_t kMellanox = 0x15b3;
// A virtio device of the first kind is driven through its I/O ports, with no kernel driver.
constexpr std::uint16_t kVirtio = 0x1af4;
constexpr std::uint16_t kVirtioLegacy = 0x1000;

bool is_network(const PciDevice& device) {
    return device.class_code >> 16U == kNetwork;
}

std::string joined(const std::vector<std::string>& texts) {
    std::string all;
    for (const auto& text : texts)
        all += (all.empty() ? "" : ", ") + text;
    return all;
}

std::string described(const PciDevice& device) {
    std::string text = device.address + " (" + (device.driver.empty() ? "no driver" : device.driver);
    if (!device.interfaces.empty()) text += ", " + joined(device.interfaces);
    return text + ")";
}

std::string network_devices(const Case& host) {
    std::vector<std::string> texts;
    for (const auto& device : host.seen.pci)
        if (is_network(device)) texts.push_back(described(device));
    return texts.empty() ? "this machine has no PCI network device; a virtual device such as net_af_packet0,iface=eth0"
                         : "name one that does; this machine has: " + joined(texts);
}

std::string bind_command(const PciDevice& device) {
    return "dpdk-devbind.py --bind=vfio-pci " + device.address + " (for good: driverctl set-override " +
           device.address + " vfio-pci)";
}

void judge_in_use(const Case& host, const config::Interface& interface, const PciDevice& device) {
    if (!interface.kernel_interface.empty()) return;
    for (const auto& name : device.interfaces) {
        const KernelLink* each = host.link(name);
        if (each == nullptr) continue;
        const auto index = each->link.index;
        if (std::ranges::find(host.seen.addresses, index, &netlink::Address::link_index) == host.seen.addresses.end() &&
            std::ranges::find(host.seen.routes, index, &netlink::Route::link_index) == host.seen.routes.end())
            continue;
        host.out.warning("interface-in-use", name,
                         "the kernel uses it: with " + device.address +
                             " bound to vfio-pci its addresses and routes go, and SSH through it ends",
                         "kernel_interface: dsr0 in the configuration, which gets the address then; or reach this host "
                         "by another interface");
    }
}

// What binding to vfio-pci needs.
void judge_vfio_to_come(const Case& host, const PciDevice& device) {
    if (!host.seen.vfio_pci_loaded)
        host.out.error("vfio-pci-not-loaded", "vfio-pci", "the kernel module is not loaded", "modprobe vfio-pci");
    if (!device.iommu_group.empty()) return;
    host.out.error(
        "iommu-missing", device.address,
        "has no IOMMU group: the machine has no IOMMU, or it is switched off, and vfio-pci refuses the device",
        "intel_iommu=on iommu=pt (AMD: iommu=pt) on the kernel's command line and VT-d or AMD-Vi in the "
        "firmware; or, where the device may write to all of memory: modprobe vfio "
        "enable_unsafe_noiommu_mode=1");
}

void judge_kernel_driver(const Case& host, const config::Interface& interface, const PciDevice& device) {
    const std::string interfaces = device.interfaces.empty() ? "" : " (interface '" + joined(device.interfaces) + "')";
    host.out.error("pci-kernel-driver", device.address,
                   "belongs to kernel driver " + device.driver + interfaces + ", so DPDK cannot open it",
                   bind_command(device));
    judge_in_use(host, interface, device);
    judge_vfio_to_come(host, device);
}

void judge_unbound(const Case& host, const PciDevice& device) {
    if (device.vendor == kMellanox)
        return host.out.error("pci-unbound", device.address,
                              "has no driver; this one stays with the kernel's, under DPDK",
                              "modprobe -a mlx5_core mlx5_ib (ConnectX-3: mlx4_core mlx4_ib)");
    if (device.vendor == kVirtio && device.device == kVirtioLegacy) return;
    host.out.error("pci-unbound", device.address, "has no driver, so DPDK cannot open it", bind_command(device));
    judge_vfio_to_come(host, device);
}

void judge_node(const Case& host, const std::string& path, const std::string& what) {
    const Access access = host.file(path);
    if (access == Access::usable) return host.out.fine(path, "can be opened");
    if (access == Access::missing)
        host.out.error("device-node-missing", path, "does not exist: " + what,
                       "modprobe -a vfio vfio-pci (in a container: give it the device)");
    else
        host.out.error("device-node-denied", path, "must not be opened by this user: " + what,
                       "chown \"$USER\" " + path + ", or run lb as root");
}

// A group is given to one program as a whole. Bridges may stay as they are.
void judge_group(const Case& host, const PciDevice& device) {
    std::vector<std::string> others;
    for (const auto& other : host.seen.pci) {
        if (other.iommu_group != device.iommu_group || other.address == device.address) continue;
        if (other.driver.empty() || other.driver == "vfio-pci" || other.driver == "pci-stub") continue;
        if (other.class_code >> 8U != kBridge) others.push_back(described(other));
    }
    if (others.empty()) return;
    host.out.error("iommu-group-shared", device.address,
                   "shares IOMMU group " + device.iommu_group + " with " + joined(others) +
                       ": the kernel gives a group to nobody while a driver of its own holds a part",
                   "bind those to vfio-pci too, or put the card into another slot");
}

void judge_vfio(const Case& host, const PciDevice& device) {
    if (device.vendor == kMellanox)
        return host.out.error("pci-wrong-driver", device.address,
                              "belongs to vfio-pci, but DPDK drives this one through its kernel driver",
                              "dpdk-devbind.py --bind=mlx5_core " + device.address + " (ConnectX-3: mlx4_core)");
    if (device.iommu_group.empty()) return judge_vfio_to_come(host, device);
    judge_node(host, "/dev/vfio/vfio", "vfio is opened through it");
    judge_node(host, vfio_node(device), "it is the IOMMU group of " + device.address);
    if (!device.unsafe_group) judge_group(host, device);
}

void judge_uio(const Case& host, const PciDevice& device) {
    if (device.uio.empty())
        host.out.error("device-node-missing", device.address, "has no /dev/uioN, although " + device.driver + " has it",
                       bind_command(device));
    else
        judge_node(host, "/dev/" + device.uio, "it is how " + device.address + " is opened");
    if (device.translated)
        host.out.error("uio-behind-iommu", device.address,
                       "belongs to " + device.driver + " behind an IOMMU that translates: its packets would not arrive",
                       bind_command(device) + "; or iommu=pt on the kernel's command line");
    if (device.driver == "uio_pci_generic" && !device.interrupt)
        host.out.warning(
            "uio-no-interrupt", device.address,
            "has no legacy interrupt, which uio_pci_generic works with: DPDK would not hear of link changes",
            bind_command(device));
}

void judge_bifurcated(const Case& host, const config::Interface& interface, const PciDevice& device) {
    if (!device.verbs)
        host.out.error(
            "verbs-missing", device.address, "has no RDMA verbs, through which DPDK works beside " + device.driver,
            device.driver == "mlx4_core" ? "modprobe -a mlx4_ib ib_uverbs" : "modprobe -a mlx5_ib ib_uverbs");
    for (const auto& name : device.interfaces)
        if (const KernelLink* each = judge_link(host, name)) judge_same_mac_and_mtu(host, interface, *each);
}

void judge_binding(const Case& host, const config::Interface& interface, const PciDevice& device) {
    switch (binding_of(device)) {
        case Binding::vfio:
            return judge_vfio(host, device);
        case Binding::uio:
            return judge_uio(host, device);
        case Binding::bifurcated:
            return judge_bifurcated(host, interface, device);
        case Binding::kernel:
            return judge_kernel_driver(host, interface, device);
        case Binding::none:
            return judge_unbound(host, device);
    }
}

void judge_pci_device(const Case& host, std::size_t i) {
    const PciDevice* device = host.pci(i);
    if (device == nullptr)
        return host.out.error("pci-missing", host.devices[i].pci, "there is no such PCI device", network_devices(host));
    if (!is_network(*device))
        return host.out.error("pci-not-network", device->address, "is no network device", network_devices(host));
    const auto before = host.out.findings.size();
    judge_binding(host, host.interfaces()[i], *device);
    if (host.out.findings.size() == before)
        host.out.fine(device->address, "is there, with driver " + (device->driver.empty() ? "none" : device->driver));
}

}  // namespace

Binding binding_of(const PciDevice& device) {
    const std::string& driver = device.driver;
    if (driver.empty()) return Binding::none;
    if (driver == "vfio-pci") return Binding::vfio;
    if (driver == "igb_uio" || driver == "uio_pci_generic") return Binding::uio;
    if (driver == "mlx5_core" || driver == "mlx4_core" || driver == "mana") return Binding::bifurcated;
    return Binding::kernel;
}

bool needs_physical_memory(const PciDevice& device) {
    switch (binding_of(device)) {
        case Binding::uio:
            return true;
        case Binding::bifurcated:
            return false;
        case Binding::vfio:
        case Binding::kernel:
        case Binding::none:
            return device.iommu_group.empty() || device.unsafe_group;
    }
    return false;
}

void judge_pci_devices(const Case& host) {
    for (std::size_t i = 0; i < host.devices.size(); ++i)
        if (host.devices[i].is_pci()) judge_pci_device(host, i);
}

}  // namespace dsr::lb::doctor
