// Each scene is a host on which lb works; each test breaks one thing and expects that to be named, and nothing else.
#include <algorithm>
#include <catch2/catch.hpp>

#include <linux/capability.h>

#include "lb/doctor/diagnose.hpp"
#include "lb/doctor/report.hpp"

using namespace dsr;
using namespace dsr::lb::doctor;

namespace {

constexpr std::uint64_t kAllCapabilities = ~std::uint64_t{0};

struct Scene {
    config::Config config;
    Observation seen;

    [[nodiscard]] Diagnosis diagnosis() const { return diagnose(config, seen); }
    [[nodiscard]] std::vector<std::string> ids() const {
        std::vector<std::string> found;
        for (const auto& finding : diagnosis().findings)
            found.push_back(finding.id);
        return found;
    }
    // The only one there is.
    [[nodiscard]] Finding finding() const {
        const auto findings = diagnosis().findings;
        REQUIRE(findings.size() == 1);
        return findings.front();
    }
    config::Interface& interface() { return config.load_balancer.interfaces.front(); }
    config::Dpdk& dpdk() { return config.load_balancer.dpdk; }
    KernelLink& eth0() { return seen.links.at(1); }
    PciDevice& card() { return seen.pci.at(1); }
    void drop(int capability) { seen.process.capabilities &= ~(std::uint64_t{1} << static_cast<unsigned>(capability)); }
};

using Ids = std::vector<std::string>;

bool says(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

netlink::Address address(int link, const char* prefix) {
    netlink::Address added;
    added.link_index = link;
    added.prefix = *wire::Ipv4Prefix::parse(prefix);
    return added;
}

KernelLink link(int index, const char* name, const char* mac, std::uint32_t mtu) {
    KernelLink added;
    added.link.index = index;
    added.link.name = name;
    added.link.mac = wire::MacAddress::parse(mac).value();
    added.link.mtu = mtu;
    added.link.up = added.link.running = true;
    added.receive_queues = 1;
    return added;
}

// Two NUMA nodes of two cores each, huge pages free on both.
Observation host() {
    Observation seen;
    seen.process.capabilities = kAllCapabilities;
    seen.process.affinity = {0, 1, 2, 3};
    seen.links = {link(1, "lo", "00:00:00:00:00:00", 65536), link(2, "eth0", "02:00:00:00:00:02", 1500)};
    seen.links[1].features = {"rx-checksum", "tx-tcp-segmentation"};
    seen.addresses = {address(1, "127.0.0.1/8"), address(2, "10.0.0.2/24")};
    seen.processors = {{0, 1, 2, 3}, {0, 1, 2, 3}, {{0, {0, 1}}, {1, {2, 3}}}};
    seen.huge_pages = {{0, 2048, 512, 512}, {1, 2048, 512, 512}};
    seen.files = {{"/dev/net/tun", Access::usable}};
    seen.dpdk_in_build = true;
    return seen;
}

Scene pcap() {
    Scene scene;
    scene.config.load_balancer.interfaces.emplace_back().name = "eth0";
    scene.config.virtual_services.emplace_back().vip = *wire::Ipv4Address::parse("203.0.113.10");
    scene.seen = host();
    return scene;
}

Scene dpdk(const char* device) {
    Scene scene = pcap();
    scene.config.load_balancer.driver = config::Driver::dpdk;
    scene.interface() = {
        "uplink", device, *wire::Ipv4Prefix::parse("10.0.0.2/24"), *wire::MacAddress::parse("02:00:00:00:00:02"), 1500,
        {},       {}};
    return scene;
}

// In IOMMU group 7.
PciDevice pci(const char* address, std::uint32_t class_code, const char* driver) {
    PciDevice device;
    device.address = address;
    device.class_code = class_code;
    device.driver = driver;
    device.iommu_group = "7";
    return device;
}

// Driver dpdk on a card that vfio-pci has, on NUMA node 0.
Scene vfio() {
    Scene scene = dpdk("0000:03:00.0");
    scene.seen.pci = {pci("0000:00:01.0", 0x060400, "pcieport"), pci("0000:03:00.0", 0x020000, "vfio-pci")};
    scene.card().vendor = 0x8086;
    scene.card().numa_node = 0;
    scene.seen.vfio_pci_loaded = true;
    scene.seen.files["/dev/vfio/vfio"] = Access::usable;
    scene.seen.files["/dev/vfio/7"] = Access::usable;
    return scene;
}

Scene uio() {
    Scene scene = vfio();
    scene.card().driver = "uio_pci_generic";
    scene.card().iommu_group.clear();
    scene.card().uio = "uio0";
    scene.seen.files["/dev/uio0"] = Access::usable;
    return scene;
}

// The card still belongs to the kernel, as eth0, and could be bound.
Scene kernel_bound() {
    Scene scene = vfio();
    scene.card().driver = "ixgbe";
    scene.card().interfaces = {"eth0"};
    return scene;
}

Scene mellanox() {
    Scene scene = kernel_bound();
    scene.card().driver = "mlx5_core";
    scene.card().vendor = 0x15b3;
    scene.card().verbs = true;
    return scene;
}

void set_workers(Scene& scene, std::uint32_t workers) {
    scene.config.load_balancer.workers = workers;
}

}  // namespace

TEST_CASE("nothing is found where nothing is wrong, with either driver and every kind of device") {
    CHECK(pcap().ids() == Ids{});
    CHECK(vfio().ids() == Ids{});
    CHECK(uio().ids() == Ids{});
    CHECK(mellanox().ids() == Ids{});
    CHECK(dpdk("net_af_packet0,iface=eth0").ids() == Ids{});
    CHECK(dpdk("net_af_xdp0,iface=eth0").ids() == Ids{});
    CHECK(dpdk("net_memif0,role=client").ids() == Ids{});
    CHECK(dpdk("eth_vhost0,iface=/run/vhost.sock").ids() == Ids{});
}

TEST_CASE("each missing capability is named, with one command for all that are needed") {
    Scene scene = pcap();
    scene.drop(CAP_NET_RAW);
    CHECK(scene.finding().subject == "CAP_NET_RAW");
    CHECK(says(scene.finding().fix, "setcap cap_net_admin,cap_net_raw+ep"));
    scene.drop(CAP_NET_ADMIN);
    CHECK(scene.ids() == Ids{"capability-missing", "capability-missing"});
}

TEST_CASE("driver dpdk needs CAP_NET_RAW only for devices that are sockets") {
    for (const char* device : {"net_af_packet0,iface=eth0", "net_af_xdp0,iface=eth0", "net_pcap0,iface=eth0"}) {
        Scene scene = dpdk(device);
        scene.drop(CAP_NET_RAW);
        CHECK(scene.ids() == Ids{"capability-missing"});
    }
    Scene scene = vfio();
    scene.drop(CAP_NET_RAW);
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("without an IOMMU the physical addresses need CAP_SYS_ADMIN; with one they do not") {
    Scene scene = uio();
    scene.drop(CAP_SYS_ADMIN);
    CHECK(scene.finding().subject == "CAP_SYS_ADMIN");
    scene = vfio();
    scene.drop(CAP_SYS_ADMIN);
    CHECK(scene.ids() == Ids{});
    scene.drop(CAP_SYS_RAWIO);
    CHECK(scene.ids() == Ids{});
    scene.card().unsafe_group = true;
    scene.seen.files["/dev/vfio/noiommu-7"] = Access::usable;
    CHECK(scene.ids() == Ids{"capability-missing", "capability-missing"});
}

TEST_CASE("net_af_xdp loads its program with CAP_BPF, or with CAP_SYS_ADMIN") {
    Scene scene = dpdk("net_af_xdp0,iface=eth0");
    scene.drop(CAP_SYS_ADMIN);
    CHECK(scene.ids() == Ids{});
    scene.drop(CAP_BPF);
    CHECK(scene.finding().subject == "CAP_BPF");
}

TEST_CASE("/dev/net/tun is missing, or closed to this user") {
    Scene scene = pcap();
    scene.seen.files["/dev/net/tun"] = Access::denied;
    CHECK(scene.ids() == Ids{"tun-denied"});
    scene.seen.files.clear();
    CHECK(scene.ids() == Ids{"tun-missing"});
}

TEST_CASE("a VIP that is a local address is named; the command to delete it only where it does not cut the host off") {
    Scene scene = pcap();
    scene.seen.addresses.push_back(address(1, "203.0.113.10/32"));
    CHECK(scene.finding().id == "vip-local");
    CHECK(scene.finding().fix == "ip address delete 203.0.113.10/32 dev lo");
    scene.seen.addresses.back() = address(2, "203.0.113.10/24");
    CHECK(scene.finding().id == "vip-local");
    CHECK_FALSE(says(scene.finding().fix, "delete"));
}

TEST_CASE("a route to the VIP is named, unless a running lb made it; a wider one is none") {
    Scene scene = pcap();
    netlink::Route route;
    route.destination = *wire::Ipv4Prefix::parse("203.0.113.10/32");
    route.link_index = 2;
    scene.seen.routes = {route};
    CHECK(scene.finding().id == "vip-route");
    CHECK(scene.finding().fix == "ip route delete 203.0.113.10");
    scene.seen.routes[0].link_index = 0;  // a blackhole
    CHECK(scene.ids() == Ids{"vip-route"});
    scene.seen.links.push_back(link(9, "dsr-vip", "00:00:00:00:00:00", 65535));
    scene.seen.routes[0].link_index = 9;
    CHECK(scene.ids() == Ids{});
    scene.seen.routes[0] = route;
    scene.seen.routes[0].destination.length = 24;
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("pcap: an interface that is missing, down, without carrier, without address or MAC address") {
    Scene scene = pcap();
    scene.interface().name = "eth7";
    CHECK(scene.finding().id == "interface-missing");
    CHECK(says(scene.finding().fix, "lo, eth0"));

    scene = pcap();
    scene.eth0().link.up = scene.eth0().link.running = false;
    CHECK(scene.finding().id == "interface-down");
    CHECK(scene.finding().fix == "ip link set eth0 up");

    scene = pcap();
    scene.eth0().link.running = false;
    CHECK(scene.ids() == Ids{"no-carrier"});

    scene = pcap();
    scene.seen.addresses.pop_back();
    CHECK(scene.ids() == Ids{"no-address"});
    scene.interface().address = *wire::Ipv4Prefix::parse("10.0.0.2/24");
    CHECK(scene.ids() == Ids{});

    scene = pcap();
    scene.interface().name = "lo";
    CHECK(scene.ids() == Ids{"not-ethernet"});
    scene.interface().mac = *wire::MacAddress::parse("02:00:00:00:00:02");
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("pcap: what joins datagrams is named, and only while GRO is on; what joins TCP alone is lb's own work") {
    Scene scene = pcap();
    for (const char* feature : {"rx-gro-list", "rx-udp-gro-forwarding"}) {
        scene.eth0().features = {feature};
        CHECK(scene.ids() == Ids{});
        scene.eth0().features = {feature, "rx-gro"};
        CHECK(scene.finding().id == "udp-gro");
        CHECK(scene.finding().severity == Severity::warning);
        CHECK(scene.finding().fix == std::string("ethtool -K eth0 ") + feature + " off");
    }
    scene.eth0().features = {"rx-gro", "rx-gro-hw", "tx-tcp-segmentation", "tx-udp-segmentation"};
    CHECK(scene.ids() == Ids{});
    scene.eth0().features = {"rx-lro"};
    CHECK(scene.finding().id == "lro");
    scene.eth0().fixed = {"rx-lro"};
    CHECK(says(scene.finding().fix, "cannot be switched off"));
}

TEST_CASE("an lb built without DPDK says so") {
    Scene scene = vfio();
    scene.seen.dpdk_in_build = false;
    CHECK(scene.ids() == Ids{"dpdk-not-in-build"});
    CHECK(scene.finding().severity == Severity::error);
}

TEST_CASE("a PCI device that does not exist is named with those that do; a bridge is no network device") {
    Scene scene = vfio();
    scene.interface().device = "0000:04:00.0";
    CHECK(scene.finding().id == "pci-missing");
    CHECK(says(scene.finding().fix, "0000:03:00.0 (vfio-pci)"));
    CHECK_FALSE(says(scene.finding().fix, "0000:00:01.0"));
    scene.interface().device = "00:01.0";
    CHECK(scene.ids().front() == "pci-not-network");
    scene.interface().device = "03:00.0";
    CHECK(scene.ids() == Ids{});
}

TEST_CASE(
    "a device that belongs to a kernel driver is named with driver and interface, and what binding it would cut off") {
    Scene scene = kernel_bound();
    REQUIRE(scene.ids() == Ids{"pci-kernel-driver", "interface-in-use"});
    const auto finding = scene.diagnosis().findings.front();
    CHECK(says(finding.message, "ixgbe"));
    CHECK(says(finding.message, "'eth0'"));
    CHECK(says(finding.fix, "dpdk-devbind.py --bind=vfio-pci 0000:03:00.0"));

    scene.interface().kernel_interface = "dsr0";
    CHECK(scene.ids() == Ids{"pci-kernel-driver"});
    scene.interface().kernel_interface.clear();
    scene.seen.addresses.pop_back();
    CHECK(scene.ids() == Ids{"pci-kernel-driver"});
    scene.seen.routes.emplace_back().link_index = 2;
    CHECK(scene.ids() == Ids{"pci-kernel-driver", "interface-in-use"});
}

TEST_CASE("binding needs the module vfio-pci and an IOMMU group; without that, physical memory") {
    Scene scene = vfio();
    scene.card().driver.clear();
    CHECK(scene.ids() == Ids{"pci-unbound"});
    scene.seen.vfio_pci_loaded = false;
    CHECK(scene.ids() == Ids{"pci-unbound", "vfio-pci-not-loaded"});
    scene.card().iommu_group.clear();
    CHECK(scene.ids() == Ids{"pci-unbound", "vfio-pci-not-loaded", "iommu-missing"});
    scene.seen.huge_pages.clear();
    CHECK(scene.ids() == Ids{"pci-unbound", "vfio-pci-not-loaded", "iommu-missing", "huge-pages-missing"});
    CHECK(scene.diagnosis().findings.back().severity == Severity::error);
}

TEST_CASE("what two cards suffer from together is named once") {
    Scene scene = vfio();
    scene.card().driver.clear();
    scene.seen.vfio_pci_loaded = false;
    scene.seen.pci.push_back(pci("0000:03:00.1", 0x020000, ""));
    scene.config.load_balancer.interfaces.push_back(scene.interface());
    scene.config.load_balancer.interfaces.back().device = "0000:03:00.1";
    CHECK(scene.ids() == Ids{"pci-unbound", "vfio-pci-not-loaded", "pci-unbound"});
}

TEST_CASE("a legacy virtio device needs no driver") {
    Scene scene = vfio();
    scene.card().driver.clear();
    scene.card().vendor = 0x1af4;
    scene.card().device = 0x1000;
    CHECK(scene.ids() == Ids{});
    scene.card().device = 0x1041;
    CHECK(scene.ids() == Ids{"pci-unbound"});
}

TEST_CASE("a card with a bifurcated driver stays with it: there and up, with verbs, the same MAC address and MTU") {
    Scene scene = mellanox();
    scene.card().verbs = false;
    CHECK(scene.ids() == Ids{"verbs-missing"});
    scene = mellanox();
    scene.card().driver = "vfio-pci";
    scene.card().interfaces.clear();
    CHECK(scene.ids() == Ids{"pci-wrong-driver"});
    scene.card().driver.clear();
    CHECK(scene.finding().id == "pci-unbound");
    CHECK(says(scene.finding().fix, "mlx5_core"));
    scene = mellanox();
    scene.eth0().link.up = false;
    CHECK(scene.ids() == Ids{"interface-down"});
    scene = mellanox();
    scene.interface().mac = *wire::MacAddress::parse("02:00:00:00:00:03");
    CHECK(scene.ids() == Ids{"mac-differs"});
}

TEST_CASE("vfio: the group's device node, and other devices of the group with drivers of the kernel's") {
    Scene scene = vfio();
    scene.seen.files["/dev/vfio/7"] = Access::denied;
    CHECK(scene.finding().id == "device-node-denied");
    CHECK(scene.finding().subject == "/dev/vfio/7");
    scene.seen.files.erase("/dev/vfio/7");
    CHECK(scene.ids() == Ids{"device-node-missing"});
    scene = vfio();
    scene.seen.files.erase("/dev/vfio/vfio");
    CHECK(scene.finding().subject == "/dev/vfio/vfio");
    scene = vfio();
    scene.seen.pci.push_back(pci("0000:03:00.1", 0x020000, "ixgbe"));
    CHECK(scene.finding().id == "iommu-group-shared");
    CHECK(says(scene.finding().message, "0000:03:00.1 (ixgbe)"));
    for (const char* driver : {"", "vfio-pci"}) {
        scene.seen.pci.back().driver = driver;
        CHECK(scene.ids() == Ids{});
    }
    scene.seen.pci.back().driver = "ixgbe";
    scene.seen.pci.back().iommu_group = "8";
    CHECK(scene.ids() == Ids{});
    scene = vfio();
    scene.card().iommu_group.clear();
    CHECK(scene.ids() == Ids{"iommu-missing"});
}

TEST_CASE("uio: its device node, an IOMMU in the way, no legacy interrupt") {
    Scene scene = uio();
    scene.seen.files["/dev/uio0"] = Access::denied;
    CHECK(scene.ids() == Ids{"device-node-denied"});
    scene = uio();
    scene.card().uio.clear();
    CHECK(scene.ids() == Ids{"device-node-missing"});
    scene = uio();
    scene.card().iommu_group = "7";
    CHECK(scene.ids() == Ids{});
    scene.card().translated = true;
    CHECK(scene.ids() == Ids{"uio-behind-iommu"});
    scene = uio();
    scene.card().interrupt = false;
    CHECK(scene.finding().id == "uio-no-interrupt");
    CHECK(scene.finding().severity == Severity::warning);
    scene.card().driver = "igb_uio";
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("huge pages: an error only where nothing translates for the device, and no matter to virtual ones") {
    Scene scene = vfio();
    for (auto& pool : scene.seen.huge_pages)
        pool.free = 0;
    CHECK(scene.finding().id == "huge-pages-missing");
    CHECK(scene.finding().severity == Severity::warning);
    scene.dpdk().huge_pages = config::HugePages::none;
    CHECK(scene.ids() == Ids{});

    Scene physical = uio();
    physical.seen.huge_pages = scene.seen.huge_pages;
    CHECK(physical.finding().severity == Severity::error);
    physical.dpdk().huge_pages = config::HugePages::none;
    CHECK(physical.ids() == Ids{"huge-pages-off"});

    Scene virtual_device = dpdk("net_af_packet0,iface=eth0");
    virtual_device.seen.huge_pages.clear();
    CHECK(virtual_device.ids() == Ids{});
}

TEST_CASE("huge pages: the number is what the file asks for, besides those that others hold") {
    Scene scene = vfio();
    scene.dpdk().memory = 1024;
    scene.seen.huge_pages = {{0, 2048, 100, 10}, {1, 2048, 50, 0}};
    CHECK(scene.finding().fix == "sysctl vm.nr_hugepages=652");  // 90 + 50 held, 512 for 1024 MiB
    CHECK(says(scene.finding().message, "20 MiB"));
    scene.seen.huge_pages = {{0, 2048, 512, 512}};
    CHECK(scene.ids() == Ids{});
    scene.dpdk().memory = 1025;
    CHECK(scene.ids() == Ids{"huge-pages-missing"});
    scene.seen.huge_pages.push_back({0, 1048576, 1, 1});
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("huge pages: on another NUMA node than the card only; a running lb may hold them all") {
    Scene scene = vfio();
    scene.seen.huge_pages[0].free = 0;
    CHECK(scene.finding().id == "huge-pages-other-node");
    CHECK(says(scene.finding().fix, "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"));
    scene.card().numa_node = -1;
    CHECK(scene.ids() == Ids{});
    scene.seen.huge_pages.clear();
    CHECK(scene.ids() == Ids{"huge-pages-missing"});
    scene.seen.links.push_back(link(9, "dsr-vip", "00:00:00:00:00:00", 65535));
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("the limit on memory in place counts for vfio, and not with CAP_IPC_LOCK") {
    Scene scene = vfio();
    scene.seen.process.memlock = 8U << 20U;
    CHECK(scene.ids() == Ids{});
    scene.drop(CAP_IPC_LOCK);
    CHECK(scene.ids() == Ids{"memlock-limit"});
    scene.seen.process.memlock = std::uint64_t{1} << 40U;
    CHECK(scene.ids() == Ids{});
    scene = uio();
    scene.seen.process.memlock = 1;
    scene.drop(CAP_IPC_LOCK);
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("cores: missing, offline, outside the control group, on another node than the card") {
    Scene scene = vfio();
    scene.dpdk().cores = {1};
    CHECK(scene.ids() == Ids{});
    scene.dpdk().cores = {9};
    CHECK(scene.ids() == Ids{"core-missing", "cores-other-node"});
    scene.dpdk().cores = {1};
    scene.seen.processors.online.erase(1);
    CHECK(scene.finding().id == "core-offline");
    scene.seen.processors.online.insert(1);
    scene.seen.process.affinity.erase(1);  // isolated: lb goes there all the same
    CHECK(scene.ids() == Ids{});
    scene.seen.process.cpuset = Cores{0, 2, 3};
    CHECK(scene.finding().severity == Severity::error);
    CHECK(scene.finding().id == "core-not-allowed");

    scene = vfio();
    scene.dpdk().cores = {0, 3};
    CHECK(scene.finding().id == "cores-other-node");
    CHECK(says(scene.finding().message, "cores 3 "));
    scene.card().numa_node = -1;
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("there are as many cores as workers, and one more where the device cannot spread flows over them") {
    Scene scene = vfio();
    set_workers(scene, 4);
    CHECK(scene.ids() == Ids{});
    set_workers(scene, 5);
    CHECK(scene.ids() == Ids{"cores-too-few"});

    scene = dpdk("net_af_packet0,iface=eth0");
    set_workers(scene, 3);
    CHECK(scene.ids() == Ids{"no-receive-side-scaling"});
    set_workers(scene, 4);
    CHECK(scene.ids() == Ids{"cores-too-few", "no-receive-side-scaling"});
    set_workers(scene, 2);
    scene.dpdk().cores = {0, 1};
    CHECK(scene.ids() == Ids{"cores-too-few", "no-receive-side-scaling"});
    scene.dpdk().cores = {0, 1, 2};
    CHECK(scene.ids() == Ids{"no-receive-side-scaling"});
    set_workers(scene, 1);
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("flows are spread by net_null and net_tap, and by a card with enough queues") {
    Scene scene = dpdk("net_null0");
    set_workers(scene, 2);
    CHECK(scene.ids() == Ids{});
    scene.interface().device = "net_tap0";
    CHECK(scene.ids() == Ids{});
    scene.interface().device = "net_af_xdp0,iface=eth0,queue_count=2";
    CHECK(scene.ids() == Ids{"no-receive-side-scaling"});
    scene = mellanox();
    set_workers(scene, 2);
    CHECK(scene.ids() == Ids{});  // it does not say how many it has
    scene.eth0().most_receive_queues = 1;
    CHECK(scene.ids() == Ids{"no-receive-side-scaling"});
    scene.eth0().most_receive_queues = 2;
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("an unknown virtual device is named with those that lb knows; a missing plugin with its package") {
    Scene scene = dpdk("net_frobnicate0");
    CHECK(scene.finding().id == "vdev-unknown");
    for (const char* driver : {"net_af_packet", "net_af_xdp", "net_memif", "net_virtio_user", "net_vhost", "net_tap",
                               "net_ring", "net_null", "net_pcap"})
        CHECK(says(scene.finding().fix, driver));

    scene = dpdk("virtio_user0");
    scene.seen.plugins = std::set<std::string>{"librte_net_tap.so.23.0"};
    CHECK(scene.finding().id == "plugin-missing");
    CHECK(scene.finding().fix == "apt-get install librte-net-virtio23");
    scene.seen.plugins->insert("librte_net_virtio.so.23.0");
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("a virtual device on an interface of the kernel's: there, up, with the file's MAC address and MTU") {
    Scene scene = dpdk("net_af_packet0,iface=eth9");
    CHECK(scene.ids() == Ids{"interface-missing"});
    scene = dpdk("net_af_packet0");
    CHECK(scene.ids() == Ids{"vdev-without-interface"});
    scene = dpdk("net_tap0,remote=eth0");
    CHECK(scene.ids() == Ids{});
    scene.eth0().link.up = false;
    CHECK(scene.ids() == Ids{"interface-down"});
    scene.interface().device = "net_tap0";
    CHECK(scene.ids() == Ids{});
    scene = dpdk("net_pcap0,rx_iface=eth0,tx_iface=eth0");
    scene.eth0().link.running = false;
    CHECK(scene.ids() == Ids{"no-carrier"});

    scene = dpdk("net_af_packet0,iface=eth0");
    scene.interface().mac = *wire::MacAddress::parse("02:00:00:00:00:03");
    CHECK(scene.finding().id == "mac-differs");
    scene = dpdk("net_af_packet0,iface=eth0");
    scene.eth0().link.mtu = 1400;
    CHECK(scene.finding().id == "mtu-differs");
    CHECK(scene.finding().severity == Severity::error);
    scene.eth0().link.mtu = 1900;
    CHECK(scene.finding().severity == Severity::warning);
}

TEST_CASE("net_af_packet gets no frame larger than its slots, nor joined ones; XDP runs before they are joined") {
    Scene scene = dpdk("net_af_packet0,iface=eth0,framesz=2048");
    scene.interface().mtu = scene.eth0().link.mtu = 1968;
    CHECK(scene.ids() == Ids{});
    scene.interface().mtu = scene.eth0().link.mtu = 1969;
    CHECK(scene.finding().id == "frame-size");
    CHECK(says(scene.finding().fix, "framesz=4096"));
    scene.interface().device = "net_af_packet0,iface=eth0,framesz=4096";
    CHECK(scene.ids() == Ids{});
    scene.interface().device = "net_af_packet0,iface=eth0";
    scene.interface().mtu = scene.eth0().link.mtu = 9000;
    CHECK(scene.ids() == Ids{});

    scene = dpdk("net_af_packet0,iface=eth0");
    scene.eth0().features = {"rx-gro", "rx-lro"};
    CHECK(scene.finding().id == "super-frames");
    CHECK(scene.finding().fix == "ethtool -K eth0 rx-gro off rx-lro off");
    scene.interface().device = "net_af_xdp0,iface=eth0";
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("net_af_xdp: frames fit a page, and there is one receive queue") {
    Scene scene = dpdk("net_af_xdp0,iface=eth0");
    scene.interface().mtu = scene.eth0().link.mtu = 3498;
    CHECK(scene.ids() == Ids{});
    scene.interface().mtu = scene.eth0().link.mtu = 3499;
    CHECK(scene.ids() == Ids{"mtu-exceeds-xdp"});
    scene = dpdk("net_af_xdp0,iface=eth0");
    scene.eth0().receive_queues = 4;
    CHECK(scene.finding().id == "xdp-queues");
    CHECK(scene.finding().fix == "ethtool -L eth0 combined 1");
    scene.eth0().combined_queues = false;
    CHECK(scene.finding().fix == "ethtool -L eth0 rx 1");
    scene.interface().device = "net_af_xdp0,iface=eth0,start_queue=2";
    CHECK(scene.ids() == Ids{"xdp-queues"});
    scene.interface().device = "net_af_xdp0,iface=eth0";
    scene.eth0().receive_queues = 1;
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("net_virtio_user connects to a socket that must be there, unless it serves it itself") {
    Scene scene = dpdk("net_virtio_user0,path=/run/vhost.sock");
    CHECK(scene.finding().id == "path-missing");
    scene.seen.files["/run/vhost.sock"] = Access::usable;
    CHECK(scene.ids() == Ids{});
    scene = dpdk("net_virtio_user0,path=/run/vhost.sock,server=1");
    CHECK(scene.ids() == Ids{});
    scene = dpdk("net_virtio_user0,path=/dev/vhost-net,iface=dsr0");
    CHECK(says(scene.finding().fix, "modprobe vhost_net"));
}

TEST_CASE("kernel_interface must not be somebody else's; a running lb's is its own") {
    Scene scene = vfio();
    scene.interface().kernel_interface = "eth0";
    CHECK(scene.ids() == Ids{"kernel-interface-taken"});
    scene.eth0().link.kind = "tun";
    CHECK(scene.ids() == Ids{});
    scene.interface().kernel_interface = "dsr0";
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("kernel_interface is for devices that are taken from the kernel") {
    for (const char* device : {"net_af_packet0,iface=eth0", "net_pcap0,iface=eth0"}) {
        Scene scene = dpdk(device);
        scene.interface().kernel_interface = "dsr0";
        CHECK(scene.ids() == Ids{"kernel-interface-shared"});
    }
    Scene scene = dpdk("net_af_xdp0,iface=eth0");
    scene.interface().kernel_interface = "dsr0";
    CHECK(scene.ids() == Ids{});
}

TEST_CASE("the report has every finding with its fix, and no colour unless it is asked for") {
    Scene scene = pcap();
    scene.eth0().link.up = false;
    scene.drop(CAP_NET_RAW);
    const std::string plain = format_text(scene.diagnosis(), sys::Painter(false));
    CHECK(says(plain, "fix: ip link set eth0 up"));
    CHECK(says(plain, "2 errors, 0 warnings\n"));
    CHECK_FALSE(says(plain, "\033"));
    CHECK(says(format_text(scene.diagnosis(), sys::Painter(true)), "\033[31merror"));
    const std::string json = format_json(scene.diagnosis());
    CHECK(says(json, R"("ok":false)"));
    CHECK(says(json, R"("id":"interface-down")"));
    CHECK(says(format_json(pcap().diagnosis()), R"("findings":[],"ok":true)"));
}

TEST_CASE("every finding says what to do, and no two of a host are the same") {
    Scene scene = kernel_bound();
    scene.seen.process.capabilities = 0;
    scene.seen.files.clear();
    scene.seen.vfio_pci_loaded = false;
    scene.card().iommu_group.clear();
    scene.seen.huge_pages.clear();
    scene.dpdk().cores = {8, 9};
    const auto findings = scene.diagnosis().findings;
    CHECK(findings.size() > 7);
    for (auto finding = findings.begin(); finding != findings.end(); ++finding) {
        CHECK_FALSE(finding->fix.empty());
        CHECK_FALSE(finding->message.empty());
        CHECK(std::none_of(findings.begin(), finding, [&](const Finding& other) {
            return other.id == finding->id && other.subject == finding->subject;
        }));
    }
}
