#include "lb/state/build_table.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

std::string error_of(const config::Config& config, const std::vector<Interface>& interfaces = one_arm(),
                     std::optional<wire::Ipv4Address> gateway = {}) {
    Identities identities;
    RingCache rings;
    Network network{interfaces, {}, {}};
    for (const auto& server : config.pools[0].servers)
        if (const auto hop = next_hop(interfaces, {gateway}, server.address))
            network.next_hops.emplace(server.address, *hop);
    const auto table = build_forwarding_table(config, network, true, identities, rings);
    return table ? "" : table.error().message;
}

}  // namespace

TEST_CASE("servers get their slots by weight, exactly") {
    auto config = two_server_config();
    config.pools[0].servers[0].weight = 3;
    const Core core(config);
    const auto& ring = core.table->services[0].ring->slots;
    const auto first = static_cast<double>(std::ranges::count(ring, 0));
    CHECK(std::abs(first - 251 * 0.75) < 1);
}

TEST_CASE("draining servers keep flows and get no slots; disabled ones neither") {
    auto config = two_server_config();
    config.pools[0].servers[0].state = config::ServerState::draining;
    Core core(config);
    CHECK(core.table->servers[0].keeps_flows());
    CHECK(std::ranges::count(core.table->services[0].ring->servers, 0U) == 0);
    config.pools[0].servers[0].state = config::ServerState::disabled;
    core.rebuild(config);
    CHECK_FALSE(core.table->servers[0].keeps_flows());
    CHECK(std::ranges::count(core.table->services[0].ring->servers, 0U) == 0);
}

TEST_CASE("a server removed from the file keeps its number and loses its flows") {
    Core core;
    auto config = two_server_config();
    config.pools[0].servers.erase(config.pools[0].servers.begin());
    core.rebuild(config);
    REQUIRE(core.table->servers.size() == 2);
    CHECK_FALSE(core.table->servers[0].keeps_flows());
    CHECK(core.table->servers[1].address == kServer2);
}

TEST_CASE("a new MAC address costs no new ring") {
    Core core;
    const auto* before = core.table->services[0].ring.get();
    core.rebuild(two_server_config(), one_arm(), {{kServer1, kClientMac}, {kServer2, kServer2Mac}});
    CHECK(core.table->services[0].ring.get() == before);
    CHECK(core.table->servers[0].macs.destination == kClientMac);
}

TEST_CASE("a configured MAC address wins over a resolved one") {
    auto config = two_server_config();
    config.pools[0].servers[0].mac = kClientMac;
    CHECK(Core(config).table->servers[0].macs.destination == kClientMac);
}

TEST_CASE("what cannot be forwarded is refused by name") {
    auto far = two_server_config();
    far.pools[0].servers[1].address = ip("10.9.0.1");
    CHECK(
        error_of(far) ==
        "server '10.9.0.1' of pool 'web' cannot be reached: it is on no network of the load balancer's interfaces, and "
        "there is no route to it through one of them");
    CHECK(error_of(far, one_arm(), ip("10.0.0.1")) ==
          "server '10.9.0.1' of pool 'web' is on no network of the load balancer's interfaces; Layer 2 DSR reaches "
          "only those");
}
