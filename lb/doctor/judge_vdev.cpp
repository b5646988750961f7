// DPDK itself, and its virtual devices: those on a kernel interface, and those on a socket.
#include <algorithm>

#include "lb/doctor/case.hpp"
#include "lb/driver/dpdk/device.hpp"

namespace dsr::lb::doctor {
namespace {

// XDP puts a frame, 256 bytes before it and 320 after it into a page of 4096; two VLAN tags may come with it.
constexpr std::uint32_t kLargestXdpMtu = 3498;
// PACKET_MMAP puts the frame 66 bytes into its slot (tpacket2_hdr, sockaddr_ll and alignment), and cuts it off at the
// end.
constexpr std::uint32_t kSlotHeader = 66;
constexpr std::uint32_t kEthernetHeader = 14;
constexpr std::uint32_t kSmallestSlot = 2048;

// Debian's, of the library version that its DPDK has.
std::string package_of(const std::string& driver) {
    std::string package = "librte-" + (driver == "net_virtio_user" ? "net_virtio" : driver) + "23";
    std::ranges::replace(package, '_', '-');
    return package;
}

void judge_driver(const Case& host, const Device& device) {
    if (device.driver.empty())
        return host.out.error("vdev-unknown", device.text,
                              "is neither a PCI address nor a virtual device that lb knows",
                              "name a PCI address (0000:03:00.0), or one of: " + vdev_names());
    if (!host.seen.plugins) return;
    const std::string plugin = plugin_of(device.driver);
    const auto is_it = [&](const std::string& name) { return name.starts_with(plugin); };
    if (std::ranges::none_of(*host.seen.plugins, is_it))
        host.out.error("plugin-missing", device.driver, "DPDK's plugin directory has no " + plugin,
                       "apt-get install " + package_of(device.driver));
}

// lb has one socket, on the first queue: the device has no hash of flows to spread them by. What comes by the others
// stays with the kernel.
void judge_xdp_queues(const Case& host, const Device& device, const KernelLink& each) {
    const std::string& name = each.link.name;
    if (device.number("start_queue", 0) != 0)
        return host.out.error("xdp-queues", name, "lb takes the first receive queue, 'device' starts with another",
                              "start_queue=0 in 'device'");
    if (each.receive_queues > 1)
        host.out.error("xdp-queues", name,
                       "lb takes one receive queue of net_af_xdp, the interface has " +
                           std::to_string(each.receive_queues) + ": what arrives by the others does not reach lb",
                       "ethtool -L " + name + (each.combined_queues ? " combined 1" : " rx 1"));
}

void judge_xdp(const Case& host, const config::Interface& interface, const Device& device, const KernelLink& each) {
    const std::string& name = each.link.name;
    const std::uint32_t mtu = std::max(each.link.mtu, interface.mtu.value_or(0));
    if (mtu > kLargestXdpMtu)
        host.out.error("mtu-exceeds-xdp", name,
                       "MTU " + std::to_string(mtu) + " is too large for net_af_xdp, whose frames fit a page: " +
                           std::to_string(kLargestXdpMtu) + " at most",
                       "ip link set " + name + " mtu " + std::to_string(kLargestXdpMtu) +
                           ", and the same in the configuration; or net_af_packet");
    judge_xdp_queues(host, device, each);
}

void judge_slots(const Case& host, const config::Interface& interface, const Device& device) {
    const std::uint32_t slot = device.number("framesz", 0);  // unset: lb asks for large ones
    const std::uint32_t mtu = interface.mtu.value_or(0);
    if (slot == 0 || mtu + kEthernetHeader + kSlotHeader <= slot) return;
    std::uint32_t wanted = kSmallestSlot;
    while (wanted < mtu + kEthernetHeader + kSlotHeader)
        wanted *= 2;
    host.out.error("frame-size", device.text,
                   "net_af_packet cuts frames off that do not fit its slots of " + std::to_string(slot) +
                       " bytes; MTU " + std::to_string(mtu) + " needs more",
                   "framesz=" + std::to_string(wanted) + ",blocksz=" + std::to_string(std::max(wanted, 65536U)) +
                       " in 'device', or neither");
}

// lb cuts TCP super-frames again, but DPDK's drivers have no room for the largest.
void judge_joining(const Case& host, const KernelLink& each) {
    std::string joining;
    std::vector<std::string> features;
    for (const char* feature : {"rx-gro", "rx-gro-hw", "rx-lro"}) {
        if (!each.features.contains(feature)) continue;
        joining += (joining.empty() ? "" : ", ") + std::string(feature);
        features.emplace_back(feature);
    }
    if (joining.empty())
        host.out.fine(each.link.name, each.link.kind == "veth"
                                          ? "joins nothing that it receives (what its peer joins is not seen from "
                                            "here: ethtool -K PEER tso off gso off)"
                                          : "joins nothing that it receives");
    else
        host.out.warning("super-frames", each.link.name,
                         "the kernel joins what it receives (" + joining +
                             ") to frames of up to 64 KiB: datagrams cannot be told apart again, and what DPDK's "
                             "buffers do not hold is cut off",
                         switch_off(each, features));
}

void judge_on_kernel_interface(const Case& host, const config::Interface& interface, const Device& device,
                               const std::string& name) {
    const KernelLink* each = judge_link(host, name);
    if (each == nullptr) return;
    judge_same_mac_and_mtu(host, interface, *each);
    if (device.driver == "net_af_xdp")
        judge_xdp(host, interface, device, *each);  // XDP runs before the kernel joins anything
    else
        judge_joining(host, *each);
}

bool needs_interface(const Device& device) {
    return device.driver == "net_af_packet" || device.driver == "net_af_xdp";
}

void judge_virtio_user(const Case& host, const Device& device) {
    const std::string path = device.value("path");
    if (device.driver != "net_virtio_user" || path.empty() || device.value("server") == "1") return;
    const Access access = host.file(path);
    if (access == Access::usable) return host.out.fine(path, "can be opened");
    const bool vhost_net = path == "/dev/vhost-net";
    host.out.error(
        "path-missing", path,
        access == Access::missing ? "does not exist: net_virtio_user connects to it when lb starts"
                                  : "must not be opened by this user",
        vhost_net ? "modprobe vhost_net, and run lb as root" : "start the other side first, or server=1 in 'device'");
}

void judge_virtual_device(const Case& host, const config::Interface& interface, const Device& device) {
    judge_driver(host, device);
    const auto names = device.kernel_interfaces();
    if (names.empty() && needs_interface(device))
        host.out.error("vdev-without-interface", device.text, device.driver + " needs to know its interface",
                       device.driver + "0,iface=INTERFACE");
    for (const auto& name : names)
        judge_on_kernel_interface(host, interface, device, name);
    if (device.driver == "net_af_packet") judge_slots(host, interface, device);
    judge_virtio_user(host, device);
}

}  // namespace

void judge_dpdk_build(const Case& host) {
    if (host.seen.dpdk_in_build) return host.out.fine("DPDK", "in this build of lb");
    host.out.error("dpdk-not-in-build", "DPDK", "this lb was built without driver dpdk",
                   "install DPDK (Debian: apt-get install libdpdk-dev) and build lb again, or use driver pcap");
}

void judge_virtual_devices(const Case& host) {
    for (std::size_t i = 0; i < host.devices.size(); ++i)
        if (!host.devices[i].is_pci()) judge_virtual_device(host, host.interfaces()[i], host.devices[i]);
}

// The TAP that lb makes must get the name it is configured with, and be of use.
void judge_kernel_interfaces(const Case& host) {
    for (std::size_t i = 0; i < host.devices.size(); ++i) {
        const auto& interface = host.interfaces()[i];
        const Device& device = host.devices[i];
        if (!interface.kernel_interface.empty() &&
            (device.driver == "net_af_packet" || (device.driver == "net_pcap" && !device.value("iface").empty())))
            host.out.error("kernel-interface-shared", interface.kernel_interface,
                           device.text + " leaves its interface to the kernel, which sees all of its traffic itself",
                           "remove 'kernel_interface' from the configuration");
        const KernelLink* each = interface.kernel_interface.empty() ? nullptr : host.link(interface.kernel_interface);
        if (each == nullptr || host.lb_runs || each->link.kind == "tun") continue;
        host.out.error("kernel-interface-taken", interface.kernel_interface,
                       "is an interface of this host already: lb could not make its own of that name",
                       "give 'kernel_interface' another name");
    }
}

}  // namespace dsr::lb::doctor
