#include <algorithm>
#include <catch2/catch.hpp>

#include "lb/driver/dpdk/device.hpp"
#include "lb/driver/dpdk/eal_arguments.hpp"

namespace dsr::lb {
namespace {

DpdkDevice device(const std::string& text) {
    auto parsed = parse_device(text);
    INFO(text << ": " << (parsed ? "" : parsed.error().message));
    REQUIRE(parsed);
    complete_arguments(*parsed);
    return *parsed;
}

bool contains(const std::vector<std::string>& arguments, const std::string& one) {
    return std::ranges::find(arguments, one) != arguments.end();
}

TEST_CASE("A PCI address may leave out its domain, and be written in capitals") {
    for (const char* text : {"0000:03:00.0", "03:00.0"}) {
        CHECK(device(text).pci());
        CHECK(device(text).name == "0000:03:00.0");
    }
    CHECK(device("0000:AF:1F.7").name == "0000:af:1f.7");
    CHECK(device("03:00.0,rxq=4").devargs() == "0000:03:00.0,rxq=4");
}

TEST_CASE("What is neither a PCI address nor one of the virtual devices is refused, and the message lists these") {
    for (const char* text :
         {"eth0", "", "net_nul0", "03:00", "03:00.8", "0000:03:00.0x", "net_", "gg:00.0", ",iface=eth0"}) {
        INFO(text);
        const auto parsed = parse_device(text);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error().message.find("net_af_packet, net_af_xdp, net_memif") != std::string::npos);
    }
}

TEST_CASE("A virtual device is known by its name without the number, older names included") {
    CHECK(device("net_null0").kind->name == "net_null");
    CHECK(device("eth_af_packet1,iface=eth0").kind->name == "net_af_packet");
    CHECK(device("virtio_user0,path=/x").kind->name == "net_virtio_user");
    CHECK(device("net_memif,role=client").kind->name == "net_memif");
}

TEST_CASE("Packet sockets need the name of the kernel's interface") {
    for (const char* text : {"net_af_packet0", "net_af_xdp0,start_queue=0", "net_af_packet0,xiface=eth0"})
        CHECK_FALSE(check_arguments(device(text)));
    CHECK(check_arguments(device("net_af_xdp0,iface=eth0")));
    CHECK(check_arguments(device("net_null0")));
    CHECK(device("net_af_packet0,qpairs=1,iface=eth7").kernel_iface == "eth7");
    CHECK(device("net_pcap0,rx_pcap=a,tx_pcap=b").kernel_iface.empty());
}

TEST_CASE("A packet socket gets room for super-frames, unless its frame size is given") {
    const DpdkDevice completed = device("net_af_packet0,iface=eth0");
    CHECK(completed.arguments == "iface=eth0,framesz=61440,blocksz=61440");
    CHECK(largest_frame(completed, 1500) == 61440 - 32);
    const DpdkDevice given = device("net_af_packet0,iface=eth0,framesz=4096");
    CHECK(given.arguments == "iface=eth0,framesz=4096");
    CHECK(largest_frame(given, 1500) == 4096 - 32);
    CHECK(largest_frame(device("net_null0"), 9000) == 9022);
    CHECK(largest_frame(device("03:00.0"), 1500) == 1522);
}

TEST_CASE("EAL arguments: PCI devices are allowed one by one, and without any the bus is left alone") {
    EalPlan plan;
    plan.devices = {device("net_null0")};
    plan.memory = 300;
    plan.core = 5;
    plan.file_prefix = "dsr-lb-1";
    CHECK(eal_arguments(plan) == std::vector<std::string>{"--lcores=0@5", "--no-telemetry", "--no-huge", "--no-shconf",
                                                          "--file-prefix=dsr-lb-1", "-m", "300", "--no-pci"});
    plan.devices = {device("03:00.0"), device("04:00.0,a=1"), device("net_null0")};
    const auto arguments = eal_arguments(plan);
    CHECK_FALSE(contains(arguments, "--no-pci"));
    CHECK(contains(arguments, "0000:03:00.0"));
    CHECK(contains(arguments, "0000:04:00.0,a=1"));
    CHECK(std::ranges::count(arguments, "-a") == 2);
}

TEST_CASE("EAL arguments: huge pages leave no file behind, and the operator's arguments come last") {
    EalPlan plan;
    plan.huge_pages = true;
    plan.extra = {"--iova-mode=va"};
    const auto arguments = eal_arguments(plan);
    CHECK(contains(arguments, "--in-memory"));
    CHECK_FALSE(contains(arguments, "--no-huge"));
    CHECK(arguments.back() == "--iova-mode=va");
}

}  // namespace
}  // namespace dsr::lb
