#include "lb/state/diff.hpp"

#include <catch2/catch.hpp>

#include "common/ring/flow_hash.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

config::Config three_server_config() {
    auto config = two_server_config();
    config.pools[0].servers.emplace_back().address = ip("10.0.0.13");
    return config;
}

// The only pool of both.
PoolDifference pool_difference(const config::Config& before, const config::Config& after) {
    const auto result = difference(before, after).value();
    REQUIRE(result.pools.size() == 1);
    return result.pools[0];
}

std::vector<wire::Ipv4Address> owners(const config::Config& config) {
    const auto members = ring_members(config.pools[0]);
    std::vector<wire::Ipv4Address> result;
    const auto table = ring::build_table(members, config.load_balancer.maglev_table_size).value();
    for (const auto entry : table)
        result.push_back(members[entry].address);
    return result;
}

}  // namespace

TEST_CASE("a configuration does not differ from itself, nor from one with its lists in another order") {
    auto shuffled = two_server_config();
    std::swap(shuffled.pools[0].servers[0], shuffled.pools[0].servers[1]);
    std::swap(shuffled.virtual_services[0], shuffled.virtual_services[1]);
    for (const auto& after : {two_server_config(), shuffled}) {
        const auto result = difference(two_server_config(), after).value();
        CHECK(result.pools.at(0).change == Change::none);
        CHECK(result.pools[0].slots_moved == 0);
        CHECK(result.pools[0].slots_moved_share == 0);
        REQUIRE(result.services.size() == 2);
        CHECK(result.services[0].change == Change::none);
        CHECK(result.services[1].change == Change::none);
    }
}

TEST_CASE("a server that joins gets its slots, and slots_moved counts those whose owner differs") {
    const auto before = owners(two_server_config());
    const auto after = owners(three_server_config());
    std::uint32_t moved = 0;
    for (std::size_t slot = 0; slot < before.size(); ++slot)
        moved += before[slot] != after[slot] ? 1U : 0U;
    const auto pool = pool_difference(two_server_config(), three_server_config());
    CHECK(pool.change == Change::changed);
    CHECK(pool.slots_moved == moved);
    CHECK(pool.slots_moved_share == Approx(moved / 251.0));
    REQUIRE(pool.servers.size() == 3);
    CHECK_FALSE(pool.servers[2].state_before);
    CHECK(pool.servers[2].slots_before == 0);
    CHECK(pool.servers[2].slots_after >= 83);
    CHECK(pool.servers[0].slots_before + pool.servers[1].slots_before == 251);
}

TEST_CASE("a server that drains owns no slots and loses no flows; disabled or removed it loses both") {
    const auto enabled = two_server_config();
    for (const auto state : {config::ServerState::draining, config::ServerState::disabled}) {
        auto other = enabled;
        other.pools[0].servers[0].state = state;
        const auto server = pool_difference(enabled, other).servers[0];
        CHECK(server.slots_before > 0);
        CHECK(server.slots_after == 0);
        CHECK(server.loses_flows() == (state == config::ServerState::disabled));
        CHECK_FALSE(pool_difference(other, enabled).servers[0].loses_flows());
    }
    CHECK(pool_difference(three_server_config(), enabled).servers[2].loses_flows());
}

TEST_CASE("a change of state that moves no slot is a change") {
    auto draining = two_server_config();
    draining.pools[0].servers[0].state = config::ServerState::draining;
    auto disabled = draining;
    disabled.pools[0].servers[0].state = config::ServerState::disabled;
    const auto pool = pool_difference(draining, disabled);
    CHECK(pool.slots_moved == 0);
    CHECK(pool.change == Change::changed);
}

TEST_CASE("a pool in one file only counts all its slots") {
    auto renamed = two_server_config();
    renamed.pools[0].name = "new";
    renamed.load_balancer.maglev_table_size = 509;
    const auto result = difference(two_server_config(), renamed).value();
    REQUIRE(result.pools.size() == 2);
    CHECK(result.pools[0].name == "new");
    CHECK(result.pools[0].change == Change::added);
    CHECK(result.pools[1].change == Change::removed);
    CHECK(result.pools[0].slots_moved == 509);
    CHECK(result.pools[1].slots_moved == 251);
    for (const auto& pool : result.pools) {
        CHECK(pool.slots_moved_share == 1);
        CHECK(pool.table_size_before == pool.table_size_after);
    }
    CHECK(result.services.at(0).change == Change::changed);
}

TEST_CASE("the share between tables of different sizes is that of the hashes that change server") {
    const auto before = two_server_config();
    auto after = three_server_config();
    after.load_balancer.maglev_table_size = 509;
    const auto old_owners = owners(before);
    const auto new_owners = owners(after);
    constexpr std::uint64_t kSamples = 1U << 20U;  // evenly over the 2^32
    double moved = 0;
    for (std::uint64_t sample = 0; sample < kSamples; ++sample) {
        const std::uint64_t hash = sample << 44U;
        moved += old_owners[ring::slot_of(hash, 251)] != new_owners[ring::slot_of(hash, 509)] ? 1 : 0;
    }
    const auto pool = pool_difference(before, after);
    CHECK(pool.slots_moved_share == Approx(moved / kSamples).margin(0.001));
    CHECK(std::abs(pool.slots_moved - pool.slots_moved_share * 509) <= 0.5);
}

TEST_CASE("with no server left that takes new flows, every slot has moved, at any table size") {
    auto none = two_server_config();
    for (auto& server : none.pools[0].servers)
        server.state = config::ServerState::draining;
    CHECK(pool_difference(two_server_config(), none).slots_moved == 251);
    CHECK(pool_difference(none, none).slots_moved == 0);
    none.load_balancer.maglev_table_size = 7;
    CHECK(pool_difference(two_server_config(), none).slots_moved_share == 1);
    CHECK(pool_difference(two_server_config(), none).slots_moved == 251);
}

TEST_CASE("virtual services are told apart by what clients and servers notice") {
    const auto change = [](auto&& edit) {
        auto after = two_server_config();
        edit(after);
        const auto result = difference(two_server_config(), after).value();
        return result.services.back().change;  // "web" comes after "dns"
    };
    CHECK(change([](auto&) {}) == Change::none);
    CHECK(change([](auto& c) { c.virtual_services[0].vip = kClient; }) == Change::changed);
    CHECK(change([](auto& c) { c.virtual_services[0].ports.pop_back(); }) == Change::changed);
    CHECK(change([](auto& c) { c.virtual_services[0].network_profile = 1; }) == Change::changed);
    CHECK(change([](auto& c) { c.network_profiles[0].session_idle_timeout = std::chrono::seconds(5); }) ==
          Change::changed);
    CHECK(change([](auto& c) { c.virtual_services.erase(c.virtual_services.begin()); }) == Change::removed);
    CHECK(change([](auto& c) { c.virtual_services.push_back({"zone", kVip, {{54, 54}}, 1, 0}); }) == Change::added);
}

TEST_CASE(
    "a profile's per_packet and outer_source, icmp_echo, neighbors and the limit of new flows are compared, too") {
    const auto before = two_server_config();
    const auto changes = [&](auto change) {
        auto after = before;
        change(after);
        const auto found = difference(before, after).value();
        return std::ranges::count_if(found.services, [](const auto& one) { return one.change == Change::changed; }) +
               static_cast<std::ptrdiff_t>(found.settings.size());
    };
    CHECK(changes([](auto&) {}) == 0);
    CHECK(changes([](auto& config) { config.network_profiles[1].per_packet = true; }) == 1);
    CHECK(changes([](auto& config) {
              config.network_profiles[0].outer_source = wire::Ipv4Prefix{ip("10.1.0.0"), 16};
          }) == 1);
    CHECK(changes([](auto& config) { config.virtual_services[0].icmp_echo = config::IcmpEcho::forward; }) == 1);
    CHECK(changes([](auto& config) { config.load_balancer.neighbors.push_back({kServer1, kServer1Mac}); }) == 1);
    CHECK(changes([](auto& config) { config.load_balancer.new_flows_per_second = 7; }) == 1);
}
