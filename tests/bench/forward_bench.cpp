// The data plane's core, packet by packet, beside what cannot be avoided: touching a frame, and looking a flow up.
#include <bit>
#include <functional>
#include <map>
#include <string>

#include <benchmark/benchmark.h>

#include "common/ring/flow_hash.hpp"
#include "tests/bench/benches.hpp"
#include "tests/bench/scene.hpp"

namespace dsr::lb::bench {
namespace {

using benchmark::Counter;
using benchmark::State;

constexpr std::size_t kSmallFrame = 64;
constexpr FlowTime kForgotten = 301;             // seconds after which every flow has expired
constexpr std::size_t kOtherFlows = 20'000'000;  // number of the first flow that no other benchmark uses

// Every benchmark's body works on a burst.
void report(State& state) {
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurstSize));
    state.counters["ns_packet"] =
        Counter(static_cast<double>(kBurstSize) * 1e-9, Counter::kIsIterationInvariantRate | Counter::kInvert);
}

void report_hits(State& state, std::uint64_t hits) {
    state.counters["hit_percent"] = 100.0 * static_cast<double>(hits) / static_cast<double>(state.items_processed());
}

// A bucket has room for twice as many flows as it gets on average, or more: nearly all find room.
std::size_t table_entries(std::size_t flows) {
    return std::bit_ceil(2 * std::max<std::size_t>(flows, 1024));
}

// Flows that the load balancer has in its table.
struct Known {
    explicit Known(std::size_t count)
        : frames(kSmallFrame, wire::kTcpAck),
          flows(count, frames),
          scene(table_entries(count), Layer::two, Offloads::hardware) {
        scene.process(frames, flows);
    }
    Frames frames;
    Flows flows;
    Scene scene;
};

// Made once: the large ones take seconds.
Known& known(std::size_t flows) {
    static std::map<std::size_t, std::unique_ptr<Known>> made;
    auto& one = made[flows];
    if (!one) one = std::make_unique<Known>(flows);
    return *one;
}

// --- floors ---

void copy_frame(State& state) {
    Frames frames(kSmallFrame, wire::kTcpAck);
    for (auto _ : state) {
        for (std::size_t i = 0; i < kBurstSize; ++i)
            frames.copy(i);
        benchmark::ClobberMemory();
    }
    report(state);
}

void swap_macs(State& state) {
    Frames frames(kSmallFrame, wire::kTcpAck);
    for (auto _ : state) {
        for (std::size_t i = 0; i < kBurstSize; ++i) {
            auto& ethernet = *reinterpret_cast<wire::EthernetHeader*>(frames.at(i));
            std::swap(ethernet.destination, ethernet.source);
        }
        benchmark::ClobberMemory();
    }
    report(state);
}

// What stands in for a driver, and is part of every figure of the core.
void stamp(State& state, std::size_t count) {
    Known& with = known(count);
    std::array<Packet, kBurstSize> burst;
    for (auto _ : state) {
        with.frames.receive(with.flows.next(), burst);
        benchmark::DoNotOptimize(burst.data());
        benchmark::ClobberMemory();
    }
    report(state);
}

// --- the flow table by itself: what the core is compared with ---

void bare_lookup(State& state, std::size_t count) {
    Known& with = known(count);
    FlowTable& table = with.scene.state.flows;
    const std::uint16_t vip_id = with.scene.table->services[0].vip_id;
    std::array<wire::FlowKey, kBurstSize> keys;
    std::array<std::uint64_t, kBurstSize> hashes;
    std::uint64_t hits = 0;
    for (auto _ : state) {
        const auto burst = with.flows.next();
        for (std::size_t i = 0; i < kBurstSize; ++i) {
            keys[i] = burst[i].key();
            hashes[i] = ring::flow_hash(keys[i]);
            table.prefetch(hashes[i]);
        }
        for (std::size_t i = 0; i < kBurstSize; ++i) {
            const auto* entry = table.find(keys[i], vip_id, hashes[i], with.scene.now);
            if (entry != nullptr) ++hits;
            benchmark::DoNotOptimize(entry);
        }
    }
    report(state);
    report_hits(state, hits);
}

// --- the core ---

// `time_step`: seconds that go by each time that every flow had a packet.
void run(State& state, Scene& scene, Frames& frames, Flows& flows, FlowTime time_step = 0) {
    std::array<Packet, kBurstSize> burst;
    const std::uint64_t forwarded = scene.forwarded();
    const std::uint64_t misses = scene.misses();
    for (auto _ : state) {
        if (flows.at_end()) scene.now = static_cast<FlowTime>(scene.now + time_step);
        frames.receive(flows.next(), burst);
        scene.process(burst);
        benchmark::ClobberMemory();
    }
    report(state);
    const auto packets = static_cast<std::uint64_t>(state.items_processed());
    require(scene.forwarded() - forwarded == packets, "not every packet was forwarded");
    report_hits(state, packets - (scene.misses() - misses));
}

struct Hit {
    Layer layer;
    Offloads offloads;
    std::size_t flows;
    std::size_t frame;
};

void hit(State& state, const Hit& what) {
    Known& with = known(what.flows);
    with.scene.use(what.layer, what.offloads);
    Frames frames(what.frame, wire::kTcpAck);
    run(state, with.scene, frames, with.flows);
}

// The table of 1 M flows' size, filled to a quarter, so that each bucket has room.
void miss_with_insert(State& state, Layer layer) {
    Frames frames(kSmallFrame, wire::kTcpSyn);
    Flows flows(std::size_t{1} << 19U, frames);
    Scene scene(table_entries(1'000'000), layer, Offloads::hardware);
    run(state, scene, frames, flows, kForgotten);
    require(scene.misses() >= static_cast<std::uint64_t>(state.items_processed()), "a flow was known");
}

void miss_with_full_table(State& state, Layer layer) {
    const std::size_t entries = table_entries(1'000'000);
    Frames frames(kSmallFrame, wire::kTcpAck);
    Scene scene(entries, layer, Offloads::hardware);
    Flows established(8 * entries, frames, kOtherFlows);
    scene.process(frames, established);
    Flows flows(1'000'000, frames);
    scene.process(frames, flows);  // the last free entries are taken, by some of these
    const std::uint64_t full = scene.state.counters.flow_table_full.get();
    run(state, scene, frames, flows);
    require(scene.state.counters.flow_table_full.get() - full >=
                static_cast<std::uint64_t>(state.items_processed() / 100 * 99),
            "the table was not full");
}

// 10 M forged SYNs, each of another flow, against 100,000 established flows. What the figures are for is that none of
// those is lost, and no memory taken.
void syn_flood(State& state) {
    constexpr std::size_t kForged = 10'000'000;
    Frames frames(kSmallFrame, wire::kTcpAck);
    Frames forged_frames(kSmallFrame, wire::kTcpSyn);
    Flows established(100'000, frames);
    Flows forged(kForged, frames, kOtherFlows);
    Scene scene(std::size_t{1} << 20U, Layer::two, Offloads::hardware);
    scene.process(frames, established);
    const std::uint64_t not_remembered = scene.state.counters.flow_table_full.get();
    const std::size_t memory = scene.state.flows.memory();
    require(memory == 16 * scene.state.flows.capacity(), "an entry does not take 16 bytes");
    run(state, scene, forged_frames, forged);
    const std::uint64_t misses = scene.misses();
    scene.process(frames, established);
    require(scene.misses() - misses == not_remembered, "a SYN flood has ended established flows");
    require(scene.state.flows.memory() == memory, "a SYN flood has taken memory");
}

std::string name_of(const Hit& what) {
    return std::string(what.layer == Layer::two ? "layer2" : "layer3") + "/flows:" + std::to_string(what.flows) +
           "/frame:" + std::to_string(what.frame) + (what.offloads == Offloads::software ? "/software_offloads" : "");
}

void add(const std::string& name, const std::function<void(State&)>& body) {
    benchmark::RegisterBenchmark(name.c_str(), body);
}

void add_hit(const Hit& what) {
    add(name_of(what), [what](State& state) { hit(state, what); });
}

}  // namespace

void register_forward_benches() {
    add("copy_frame", copy_frame);
    add("swap_macs", swap_macs);
    for (const std::size_t flows : {1UL, 10'000UL, 1'000'000UL, 10'000'000UL}) {
        const std::string of = "/flows:" + std::to_string(flows);
        add("stamp" + of, [flows](State& state) { stamp(state, flows); });
        add("bare_lookup" + of, [flows](State& state) { bare_lookup(state, flows); });
        for (const Layer layer : {Layer::two, Layer::three})
            add_hit({layer, Offloads::hardware, flows, kSmallFrame});
    }
    for (const Layer layer : {Layer::two, Layer::three}) {
        add_hit({layer, Offloads::software, 1'000'000, kSmallFrame});
        for (const std::size_t frame : {512UL, 1500UL})
            add_hit({layer, Offloads::hardware, 1'000'000, frame});
        const std::string of = layer == Layer::two ? "/layer2" : "/layer3";
        add("miss_with_insert" + of, [layer](State& state) { miss_with_insert(state, layer); });
        add("miss_with_full_table" + of, [layer](State& state) { miss_with_full_table(state, layer); });
    }
    benchmark::RegisterBenchmark("syn_flood", syn_flood)->Iterations(10'000'000 / kBurstSize);
}

bool forward_packets(std::string_view what, std::size_t count) {
    if (what != "stamp" && what != "layer2" && what != "layer3") return false;
    Known& with = known(10'000);
    with.scene.use(what == "layer3" ? Layer::three : Layer::two, Offloads::hardware);
    std::array<Packet, kBurstSize> burst;
    for (std::size_t done = 0; done < count; done += kBurstSize) {
        with.frames.receive(with.flows.next(), burst);
        benchmark::DoNotOptimize(burst.data());
        if (what != "stamp") with.scene.process(burst);
    }
    return true;
}

}  // namespace dsr::lb::bench
