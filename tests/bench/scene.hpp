// A load balancer's worker without driver and thread, and what it forwards by: 8 servers behind one VIP.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "lb/dataplane/forward.hpp"
#include "lb/state/build_table.hpp"
#include "tests/bench/traffic.hpp"

namespace dsr::lb::bench {

// A benchmark that did not do what it says it measures must not give a figure.
inline void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "forward_bench: %s\n", what);
    std::exit(1);
}

enum class Layer : std::uint8_t { two = 2, three = 3 };
enum class Offloads : std::uint8_t { hardware, software };

// `services` VIPs from 10.0.0.100 on, each with a pool of its own of `servers` servers.
config::Config configuration(std::size_t services, std::size_t servers, Layer layer);
Network network_of(const config::Config& config, Offloads offloads);

class Scene {
public:
    Scene(std::size_t flow_table_entries, Layer layer, Offloads offloads) : state(flow_table_entries, 1600) {
        use(layer, offloads);
    }
    void use(Layer layer, Offloads offloads) {
        const config::Config config = configuration(1, 8, layer);
        table = build_forwarding_table(config, network_of(config, offloads), true, identities_, rings_).value();
    }

    // What Worker::process does, without a driver.
    void process(std::span<Packet, kBurstSize> burst) {
        forward(*table, now, burst, state);
        state.counters.account(burst);
    }
    // Two packets of each flow: then it is established.
    void process(Frames& frames, Flows& flows) {
        std::array<Packet, kBurstSize> burst;
        do {
            const auto next = flows.next();
            for (int packet = 0; packet < 2; ++packet) {
                frames.receive(next, burst);
                process(burst);
            }
        } while (!flows.at_end());
    }

    [[nodiscard]] std::uint64_t forwarded() const {
        return state.counters.verdicts[static_cast<std::size_t>(Verdict::forwarded)].get();
    }
    [[nodiscard]] std::uint64_t misses() const {
        return state.counters.new_flows.get() + state.counters.flow_table_full.get();
    }

    WorkerState state;
    std::unique_ptr<const ForwardingTable> table;
    FlowTime now = 1;

private:
    Identities identities_;
    RingCache rings_;
};

}  // namespace dsr::lb::bench
