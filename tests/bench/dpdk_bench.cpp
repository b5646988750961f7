// Driver dpdk on one port: what lb forwards by it, beside the least that a forwarder can do with the same port.
//
// dpdk_bench generate DEVICE MAC SECONDS FLOWS CORE   sends frames of so many flows, and counts those that come back
// dpdk_bench forward DEVICE MODE SECONDS FLOWS CORE   forwards in this process; for net_null, whose frames it fills in
//   MODE: null (receive and send), macswap, l2, l3
// Prints millions of frames a second; forward also prints nanoseconds a frame that filling in has taken.
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "lb/dataplane/worker.hpp"
#include "lb/driver/dpdk/dpdk_drivers.hpp"
#include "tests/bench/scene.hpp"

namespace dsr::lb::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::unique_ptr<Drivers> open(const std::string& text, const wire::MacAddress& mac, std::uint32_t core) {
    auto device = parse_device(text);
    if (!device) {
        std::fprintf(stderr, "dpdk_bench: %s\n", device.error().message.c_str());
        std::exit(1);
    }
    complete_arguments(*device);
    DpdkSettings settings{{{"port", *device, mac, 1500, -1}}, 1, {}};
    settings.dpdk.huge_pages = config::HugePages::none;
    settings.dpdk.cores = {core};
    auto drivers = open_dpdk(settings);
    if (!drivers) {
        std::fprintf(stderr, "dpdk_bench: %s\n", drivers.error().message.c_str());
        std::exit(1);
    }
    return *std::move(drivers);
}

// Writes a client's packet of one flow after the other into what net_null has received: nothing.
class FilledIn final : public Driver {
public:
    FilledIn(Driver& port, std::size_t flows) : port_(port), frames_(60, wire::kTcpAck), flows_(flows, frames_) {}

    std::size_t receive(std::span<Packet, kBurstSize> burst) override {
        const std::size_t count = port_.receive(burst);
        const auto next = flows_.next();
        std::array<Packet, kBurstSize> filled;
        frames_.receive(next, filled);
        for (std::size_t i = 0; i < count; ++i)
            std::memcpy(burst[i].data, filled[i].data, 60);
        return count;
    }
    void transmit(std::span<Packet> burst) override { port_.transmit(burst); }
    std::uint64_t now() override { return port_.now(); }
    void wait(std::chrono::milliseconds at_most) override { port_.wait(at_most); }
    void wake() override {}

    // What receive() does beside the port's, nanoseconds a frame.
    double cost() {
        constexpr int kRounds = 200'000;
        std::array<Packet, kBurstSize> filled;
        std::vector<std::uint8_t> target(kBurstSize * 2048);
        const auto begin = Clock::now();
        for (int round = 0; round < kRounds; ++round) {
            frames_.receive(flows_.next(), filled);
            for (std::size_t i = 0; i < kBurstSize; ++i)
                std::memcpy(target.data() + i * 2048, filled[i].data, 60);
        }
        const std::chrono::duration<double, std::nano> took = Clock::now() - begin;
        return took.count() / kRounds / kBurstSize;
    }

private:
    Driver& port_;
    Frames frames_;
    Flows flows_;
};

// Frames a second of `burst`, which returns how many it has forwarded.
double rate(double seconds, const std::function<std::size_t()>& burst) {
    const auto warm = Clock::now() + std::chrono::seconds(1);
    while (Clock::now() < warm)
        (void)burst();
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::duration<double>(seconds);
    std::size_t frames = 0;
    while (Clock::now() < end)
        for (int i = 0; i < 64; ++i)
            frames += burst();
    return static_cast<double>(frames) / std::chrono::duration<double>(Clock::now() - begin).count();
}

std::size_t bare_burst(Driver& port, bool swap) {
    std::array<Packet, kBurstSize> burst;
    const std::size_t count = port.receive(burst);
    for (std::size_t i = 0; i < count; ++i) {
        burst[i].verdict = Verdict::forwarded;
        if (!swap) continue;
        auto& ethernet = wire::header_at<wire::EthernetHeader>(burst[i].mutable_bytes());
        std::swap(ethernet.destination, ethernet.source);
    }
    port.transmit(std::span(burst).first(count));
    return count;
}

int forward(const std::string& device, const std::string& mode, double seconds, std::size_t flows, std::uint32_t core) {
    const auto drivers = open(device, kLbMac, core);
    Driver& port = drivers->of_worker(0);
    port.start_thread();
    FilledIn filled(port, flows);
    double frames = 0;
    if (mode == "null" || mode == "macswap") {
        frames = rate(seconds, [&] { return bare_burst(port, mode == "macswap"); });
    } else {
        const Scene scene(16, mode == "l3" ? Layer::three : Layer::two, Offloads::hardware);
        Worker worker(filled, std::bit_ceil(2 * std::max<std::size_t>(flows, 1024)), scene.table.get());
        const auto& forwarded = worker.counters().verdicts[static_cast<std::size_t>(Verdict::forwarded)];
        for (std::size_t sent = 0; sent < 3 * flows; sent += kBurstSize)
            worker.run_burst();  // every flow is known
        frames = rate(seconds, [&, before = forwarded.get()]() mutable {
            worker.run_burst();
            return static_cast<std::size_t>(forwarded.get() - std::exchange(before, forwarded.get()));
        });
        require(worker.counters().received.get() == forwarded.get(), "every frame is forwarded");
    }
    std::printf("%.3f %.2f\n", frames / 1e6, filled.cost());
    return frames > 0 ? 0 : 1;
}

int generate(const std::string& device, const wire::MacAddress& mac, double seconds, std::size_t flow_count,
             std::uint32_t core) {
    const auto drivers = open(device, mac, core);
    Driver& port = drivers->of_worker(0);
    port.start_thread();
    Frames frames(60, wire::kTcpAck);
    Flows flows(flow_count, frames);
    std::array<Packet, kBurstSize> out;
    std::array<Packet, kBurstSize> back;
    const double returned = rate(seconds, [&] {
        frames.receive(flows.next(), out);
        for (Packet& packet : out) {
            packet.verdict = Verdict::forwarded;
            packet.number = kBurstSize;  // of no received buffer
        }
        port.transmit(out);
        return port.receive(back);
    });
    std::printf("%.3f\n", returned / 1e6);
    return returned > 0 ? 0 : 1;
}

template <typename Number>
Number number(const char* text) {
    Number value{};
    const char* end = text + std::strlen(text);
    require(std::from_chars(text, end, value).ptr == end, "see the head of dpdk_bench.cpp for its arguments");
    return value;
}

}  // namespace
}  // namespace dsr::lb::bench

int main(int argc, char** argv) {
    using namespace dsr::lb::bench;
    require(argc == 7, "see the head of dpdk_bench.cpp for its arguments");
    const std::string verb = argv[1];
    const auto seconds = number<double>(argv[4]);
    const auto flows = number<std::size_t>(argv[5]);
    const auto core = number<std::uint32_t>(argv[6]);
    if (verb == "forward") return forward(argv[2], argv[3], seconds, flows, core);
    require(verb == "generate", "see the head of dpdk_bench.cpp for its arguments");
    const auto mac = dsr::wire::MacAddress::parse(argv[3]);
    require(mac.has_value(), "MAC is no MAC address");
    return generate(argv[2], *mac, seconds, flows, core);
}
