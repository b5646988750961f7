// How fast the pcap driver forwards, with lb's core and without: the two halves of tests/bench/pcap_bench.py.
//
//   pcap_bench generate INTERFACE SECONDS            sends small TCP frames of many flows to the VIP, as fast as it can
//   pcap_bench bare|l2|l3 INTERFACE SECONDS          forwards them on one arm, and prints frames a second
//
// `bare` is the driver's own calls around nothing but new MAC addresses: what there is to lose.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb/dataplane/layer2.hpp"
#include "lb/dataplane/worker.hpp"
#include "lb/driver/pcap_driver.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kFlows = 10000;
constexpr std::size_t kBatch = 64;
constexpr std::uint16_t kFirstPort = 1024;

[[noreturn]] void die(const std::string& what) {
    std::fprintf(stderr, "pcap_bench: %s: %s\n", what.c_str(), std::strerror(errno));
    std::exit(1);
}

wire::MacAddress mac_of(const std::string& interface) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
    if (fd < 0 || ::ioctl(fd, SIOCGIFHWADDR, &request) != 0) die(interface);
    ::close(fd);
    wire::MacAddress mac;
    std::memcpy(mac.bytes.data(), request.ifr_hwaddr.sa_data, mac.bytes.size());
    return mac;
}

Clock::time_point end_after(const char* seconds) {
    return Clock::now() + std::chrono::milliseconds(static_cast<int>(std::atof(seconds) * 1000));
}

int generate(const std::string& interface, const wire::MacAddress& lb, const char* seconds) {
    const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die(interface);

    std::vector<std::array<std::uint8_t, 60>> frames(kFlows);
    std::vector<iovec> vectors(kFlows);
    std::vector<mmsghdr> messages(kFlows);
    for (std::size_t i = 0; i < kFlows; ++i) {
        auto frame = tcp_frame(static_cast<std::uint16_t>(kFirstPort + i), wire::kTcpAck);
        wire::header_at<wire::EthernetHeader>(frame->bytes()).destination = lb;
        std::memcpy(frames[i].data(), frame->buffer.data(), std::min(frame->length, frames[i].size()));
        vectors[i] = {frames[i].data(), frames[i].size()};
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    const auto end = end_after(seconds);
    std::size_t next = 0;
    while (Clock::now() < end) {
        const int sent = ::sendmmsg(fd, &messages[next], static_cast<unsigned>(std::min(kBatch, kFlows - next)), 0);
        if (sent < 0 && errno != ENOBUFS && errno != EAGAIN) die("sendmmsg");
        next += sent > 0 ? static_cast<std::size_t>(sent) : 0;
        if (next == kFlows) next = 0;
    }
    return 0;
}

std::size_t bare_burst(Driver& driver, const wire::MacAddress& ours) {
    static std::array<Packet, kBurstSize> burst;
    const std::size_t count = driver.receive(burst);
    std::size_t forwarded = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (wire::header_at<wire::EthernetHeader>(burst[i].bytes()).destination != ours) continue;
        rewrite_layer2(burst[i].mutable_bytes(), {.destination = kServer1Mac, .source = ours});
        burst[i].verdict = Verdict::forwarded;
        ++forwarded;
    }
    driver.transmit(std::span(burst).first(count));
    return forwarded;
}

template <typename Burst>
int measure(Driver& driver, const char* seconds, Burst burst) {
    // The generator runs already; the first frames only warm up.
    const auto begin = Clock::now();
    const auto end = end_after(seconds);
    std::size_t forwarded = 0;
    while (Clock::now() < end) {
        const std::size_t count = burst();
        if (count == 0) driver.wait(std::chrono::milliseconds(10));
        forwarded += count;
    }
    const std::chrono::duration<double> took = Clock::now() - begin;
    std::printf("%.0f\n", static_cast<double>(forwarded) / took.count());
    return forwarded > 0 ? 0 : 1;
}

int forward_frames(const std::string& mode, const std::string& interface, const char* seconds) {
    const wire::MacAddress ours = mac_of(interface);
    auto drivers = open_pcap({{interface, 1500}});
    if (!drivers) {
        std::fprintf(stderr, "pcap_bench: %s\n", drivers.error().message.c_str());
        return 1;
    }
    Driver& driver = (*drivers)->of_worker(0);
    if (mode == "bare") return measure(driver, seconds, [&] { return bare_burst(driver, ours); });

    auto config = two_server_config();
    config.load_balancer.maglev_table_size = 65537;
    config.load_balancer.new_flows_per_second = 0;
    if (mode == "l3") config.network_profiles[0].dsr_type = config::DsrType::l3;
    auto interfaces = one_arm();
    interfaces[0].mac = ours;
    const Core core(config, interfaces);
    Worker worker(driver, 1U << 20U, core.table.get());
    return measure(driver, seconds, [&, before = std::uint64_t{0}]() mutable {
        worker.run_burst();
        const auto now = worker.counters().verdicts[static_cast<std::size_t>(Verdict::forwarded)].get();
        return static_cast<std::size_t>(now - std::exchange(before, now));
    });
}

}  // namespace

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    if (mode == "generate" && argc == 5) return generate(argv[2], wire::MacAddress::parse(argv[4]).value(), argv[3]);
    if ((mode == "bare" || mode == "l2" || mode == "l3") && argc == 4) return forward_frames(mode, argv[2], argv[3]);
    std::fprintf(stderr, "usage: pcap_bench generate INTERFACE SECONDS MAC | bare|l2|l3 INTERFACE SECONDS\n");
    return 2;
}
