// What is read of a host, from a tree of files made for the test.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>

#include "lb/doctor/device.hpp"
#include "lb/doctor/files.hpp"
#include "lb/doctor/observe.hpp"

using namespace dsr;
using namespace dsr::lb::doctor;
namespace fs = std::filesystem;

namespace {

class Tree {
public:
    Tree() {
        std::string name = (fs::temp_directory_path() / "dsr-doctor-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        root_ = name;
    }
    ~Tree() {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }
    Tree(const Tree&) = delete;
    Tree& operator=(const Tree&) = delete;

    void file(const std::string& path, const std::string& text) const {
        fs::create_directories(fs::path(root_ + path).parent_path());
        std::ofstream(root_ + path) << text;
    }
    void directory(const std::string& path) const { fs::create_directories(root_ + path); }
    void link(const std::string& path, const std::string& target) const {
        fs::create_directories(fs::path(root_ + path).parent_path());
        fs::create_symlink(target, root_ + path);
    }
    [[nodiscard]] const std::string& root() const { return root_; }

private:
    std::string root_;
};

// A card of Intel's in IOMMU group 7, on NUMA node 1.
void add_card(const Tree& tree, const std::string& address, const std::string& driver) {
    const std::string device = "/sys/bus/pci/devices/" + address;
    tree.file(device + "/class", "0x020000\n");
    tree.file(device + "/vendor", "0x8086\n");
    tree.file(device + "/device", "0x10fb\n");
    tree.file(device + "/numa_node", "1\n");
    tree.file(device + "/irq", "42\n");
    if (!driver.empty()) tree.link(device + "/driver", "../../../bus/pci/drivers/" + driver);
    tree.link(device + "/iommu_group", "../../../kernel/iommu_groups/7");
    tree.file("/sys/kernel/iommu_groups/7/type", "DMA-FQ\n");
}

}  // namespace

TEST_CASE("a device is a PCI address in either form, or a virtual device with its values") {
    CHECK(parse_device("0000:3B:00.1").pci == "0000:3b:00.1");
    CHECK(parse_device("3b:00.1,some=value").pci == "0000:3b:00.1");
    for (const char* text : {"0000:3b:00.8", "0000:3b:00", "0000-3b:00.1", "3b:00.1x"})
        CHECK_FALSE(parse_device(text).is_pci());
    const Device device = parse_device("net_af_packet0,iface=eth0,framesz=4096");
    CHECK(device.driver == "net_af_packet");
    CHECK(device.kernel_interfaces() == std::vector<std::string>{"eth0"});
    CHECK(device.number("framesz", 2048) == 4096);
    CHECK(device.number("blocksz", 7) == 7);
    CHECK(parse_device("eth_vhost3,iface=/run/sock").driver == "net_vhost");
    CHECK(parse_device("eth_vhost3,iface=/run/sock").kernel_interfaces().empty());
    CHECK(parse_device("virtio_user0").driver == "net_virtio_user");
    CHECK(parse_device("af_packet0").driver.empty());
    CHECK(parse_device("net_pcap0,rx_iface=a,tx_iface=b").kernel_interfaces() == std::vector<std::string>{"a", "b"});
    CHECK(parse_device("net_pcap0,rx_pcap=in.pcap").kernel_interfaces().empty());
    CHECK(parse_device("net_tap1,iface=tap1,remote=eth0").kernel_interfaces() == std::vector<std::string>{"eth0"});
}

TEST_CASE("sets of cores are read and written as the kernel writes them") {
    CHECK(parse_cores("0-2,8") == Cores{0, 1, 2, 8});
    CHECK(parse_cores("") == Cores{});
    CHECK(parse_cores("7") == Cores{7});
    CHECK(parse_cores("x,3-1,0-99999999999") == Cores{});
    CHECK(cores_text({0, 1, 2, 8}) == "0-2,8");
    CHECK(cores_text({}).empty());
}

TEST_CASE("capabilities, affinity, memory limit and cpuset of the process") {
    const Tree tree;
    tree.file("/proc/self/status", "Name:\tlb\nCapPrm:\tffff\nCapEff:\t0000000000003000\nCpus_allowed_list:\t0-3\n");
    tree.file("/proc/self/limits",
              "Limit                     Soft Limit           Hard Limit           Units     \n"
              "Max locked memory         8388608              unlimited            bytes     \n");
    tree.file("/proc/self/cgroup", "0::/system.slice/lb.service\n");
    tree.file("/sys/fs/cgroup/system.slice/lb.service/cpuset.cpus.effective", "2-3\n");
    const Process process = observe_process(tree.root());
    CHECK((process.may(12) && process.may(13)));
    CHECK_FALSE(process.may(14));
    CHECK(process.affinity == Cores{0, 1, 2, 3});
    CHECK(process.memlock == 8388608);
    CHECK(process.cpuset == Cores{2, 3});
}

TEST_CASE("the cpuset of the first version of control groups, and none that is known") {
    const Tree tree;
    tree.file("/proc/self/limits", "Max locked memory         unlimited            unlimited            bytes     \n");
    CHECK_FALSE(observe_process(tree.root()).memlock);
    CHECK_FALSE(observe_process(tree.root()).cpuset);
    tree.file("/proc/self/cgroup", "3:cpuset:/box\n0::/\n");
    tree.file("/sys/fs/cgroup/cpuset/box/cpuset.effective_cpus", "5\n");
    CHECK(observe_process(tree.root()).cpuset == Cores{5});
}

TEST_CASE("huge pages are read of each NUMA node, and of the machine where there is none") {
    const Tree tree;
    tree.file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "12\n");
    tree.file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "10\n");
    auto pools = observe_huge_pages(tree.root());
    REQUIRE(pools.size() == 1);
    CHECK((pools[0].node == -1 && pools[0].total == 12 && pools[0].free == 10));
    tree.file("/sys/devices/system/node/node1/hugepages/hugepages-1048576kB/free_hugepages", "3\n");
    tree.file("/sys/devices/system/node/possible", "0-1\n");
    pools = observe_huge_pages(tree.root());
    REQUIRE(pools.size() == 1);
    CHECK((pools[0].node == 1 && pools[0].size_kib == 1048576 && pools[0].free == 3));
    CHECK(default_huge_page_kib(tree.root()) == 2048);
    tree.file("/proc/meminfo", "MemTotal:  1 kB\nHugepagesize:     524288 kB\n");
    CHECK(default_huge_page_kib(tree.root()) == 524288);
}

TEST_CASE("processors: present, online, and their NUMA nodes") {
    const Tree tree;
    tree.file("/sys/devices/system/cpu/present", "0-3\n");
    tree.file("/sys/devices/system/cpu/online", "0-2\n");
    tree.file("/sys/devices/system/node/node0/cpulist", "0-1\n");
    tree.file("/sys/devices/system/node/node1/cpulist", "2-3\n");
    const Processors processors = observe_processors(tree.root());
    CHECK(processors.present == Cores{0, 1, 2, 3});
    CHECK(processors.online == Cores{0, 1, 2});
    CHECK(processors.nodes == std::map<int, Cores>{{0, {0, 1}}, {1, {2, 3}}});
}

TEST_CASE("a PCI device with driver, group, node and the kernel's interfaces, also below a virtio bus") {
    const Tree tree;
    add_card(tree, "0000:03:00.0", "ixgbe");
    tree.directory("/sys/bus/pci/devices/0000:03:00.0/net/ens3f0");
    add_card(tree, "0000:04:00.0", "");
    tree.file("/sys/bus/pci/devices/0000:04:00.0/numa_node", "-1\n");
    tree.file("/sys/bus/pci/devices/0000:04:00.0/irq", "0\n");
    tree.directory("/sys/bus/pci/devices/0000:04:00.0/virtio2/net/eth0");
    tree.directory("/sys/bus/pci/devices/0000:04:00.0/uio/uio5");
    tree.directory("/sys/bus/pci/devices/0000:04:00.0/infiniband_verbs/uverbs0");
    const auto devices = observe_pci(tree.root());
    REQUIRE(devices.size() == 2);
    CHECK(devices[0].address == "0000:03:00.0");
    CHECK((devices[0].class_code == 0x020000 && devices[0].vendor == 0x8086 && devices[0].device == 0x10fb));
    CHECK(devices[0].driver == "ixgbe");
    CHECK(devices[0].interfaces == std::vector<std::string>{"ens3f0"});
    CHECK((devices[0].iommu_group == "7" && devices[0].translated && !devices[0].unsafe_group));
    CHECK((devices[0].numa_node == 1 && devices[0].interrupt && !devices[0].verbs && devices[0].uio.empty()));
    CHECK(devices[1].driver.empty());
    CHECK(devices[1].interfaces == std::vector<std::string>{"eth0"});
    CHECK((devices[1].numa_node == -1 && !devices[1].interrupt && devices[1].verbs && devices[1].uio == "uio5"));
}

TEST_CASE("a group of no-IOMMU mode has another device node") {
    const Tree tree;
    add_card(tree, "0000:03:00.0", "vfio-pci");
    CHECK(vfio_node(observe_pci(tree.root())[0]) == "/dev/vfio/7");
    tree.file("/sys/kernel/iommu_groups/7/name", "vfio-noiommu\n");
    CHECK(vfio_node(observe_pci(tree.root())[0]) == "/dev/vfio/noiommu-7");
}

TEST_CASE(
    "device nodes are looked at where they are needed: tun, vfio, the group, and the socket of a virtual device") {
    const Tree tree;
    add_card(tree, "0000:03:00.0", "vfio-pci");
    tree.directory("/sys/bus/pci/drivers/vfio-pci");
    tree.file("/dev/net/tun", "");
    tree.file("/dev/vfio/7", "");
    config::Config config;
    config.load_balancer.interfaces.emplace_back().device = "net_virtio_user0,path=/run/vhost.sock";
    Observation seen;
    observe_machine(tree.root(), config, seen);
    CHECK(seen.vfio_pci_loaded);
    CHECK(seen.files.at("/dev/net/tun") == Access::usable);
    CHECK(seen.files.at("/dev/vfio/7") == Access::usable);
    CHECK(seen.files.at("/dev/vfio/vfio") == Access::missing);
    CHECK(seen.files.at("/run/vhost.sock") == Access::missing);
}

TEST_CASE("the network of the host that runs the tests has a loopback link") {
    Observation seen;
    REQUIRE(observe_network(seen));
    const auto loopback = std::ranges::find_if(seen.links, [](const KernelLink& each) { return each.link.loopback; });
    REQUIRE(loopback != seen.links.end());
    CHECK(loopback->features.contains("loopback"));
    CHECK(loopback->fixed.contains("loopback"));
    CHECK(loopback->receive_queues == 1);
}
