// How long it takes to make rings and forwarding tables: what a reload costs the control thread.
#include <string>

#include <benchmark/benchmark.h>

#include "common/ring/maglev.hpp"
#include "tests/bench/benches.hpp"
#include "tests/bench/scene.hpp"

namespace dsr::lb::bench {
namespace {

// Pool `pool`'s server `number`, 0..999, in 10.0.0.0/8.
wire::Ipv4Address server_address(std::size_t pool, std::size_t number) {
    return wire::Ipv4Address::from_host(static_cast<std::uint32_t>(0x0a010000U + pool * 1024 + number + 1));
}

void build_ring(benchmark::State& state, std::size_t servers) {
    std::vector<ring::Server> pool;
    for (std::size_t i = 0; i < servers; ++i)
        pool.push_back({server_address(0, i)});
    for (auto _ : state)
        benchmark::DoNotOptimize(ring::build_table(pool, ring::kDefaultTableSize).value());
}

// Every service has a pool of its own, whose ring is built anew.
void build_table(benchmark::State& state) {
    constexpr std::size_t kServices = 1000;
    const config::Config config = configuration(kServices, 100, Layer::two);
    const Network network = network_of(config, Offloads::hardware);
    for (auto _ : state) {
        Identities identities;
        RingCache rings;
        const auto table = build_forwarding_table(config, network, true, identities, rings);
        require(table && (*table)->services.size() == kServices, "the forwarding table was not built");
    }
}

// As after a reload that changes no pool, or a new neighbor's MAC address.
void rebuild_table(benchmark::State& state) {
    const config::Config config = configuration(1000, 100, Layer::two);
    const Network network = network_of(config, Offloads::hardware);
    Identities identities;
    RingCache rings;
    require(build_forwarding_table(config, network, true, identities, rings).has_value(), "no forwarding table");
    for (auto _ : state)
        benchmark::DoNotOptimize(build_forwarding_table(config, network, true, identities, rings).value());
}

}  // namespace

config::Config configuration(std::size_t services, std::size_t servers, Layer layer) {
    config::Config config;
    config.load_balancer.new_flows_per_second = 0;
    config.network_profiles.resize(1);
    config.network_profiles[0].name = "tcp";
    config.network_profiles[0].dsr_type = layer == Layer::three ? config::DsrType::l3 : config::DsrType::l2;
    for (std::size_t i = 0; i < services; ++i) {
        const std::string name = std::to_string(i);
        config::Pool& pool = config.pools.emplace_back();
        pool.name = name;
        for (std::size_t k = 0; k < servers; ++k)
            pool.servers.emplace_back().address = server_address(i, k);
        config.virtual_services.push_back(
            {name, wire::Ipv4Address::from_host(kVip.host() + static_cast<std::uint32_t>(i)), {{kPort, kPort}}, 0, i});
    }
    return config;
}

Network network_of(const config::Config& config, Offloads offloads) {
    // Large enough for every frame in a tunnel.
    Network network;
    network.interfaces = {
        {kLbMac, {wire::Ipv4Address::from_host(0x0a000002U), 8}, 1600, offloads == Offloads::software}};
    for (const config::Pool& pool : config.pools)
        for (const config::Server& server : pool.servers) {
            network.next_hops.emplace(server.address, NextHop{0, server.address});
            network.macs.emplace(server.address, wire::MacAddress{{2, 0, 0, 0, 1, 1}});
        }
    return network;
}

void register_build_benches() {
    for (const std::size_t servers : {10UL, 100UL, 1000UL})
        benchmark::RegisterBenchmark(("build_ring/servers:" + std::to_string(servers)).c_str(),
                                     [servers](benchmark::State& state) { build_ring(state, servers); })
            ->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark("build_table/services:1000/servers:100", build_table)
        ->Unit(benchmark::kMillisecond)
        ->Iterations(1);
    benchmark::RegisterBenchmark("rebuild_table/services:1000/servers:100", rebuild_table)
        ->Unit(benchmark::kMillisecond)
        ->Iterations(3);
}

}  // namespace dsr::lb::bench
