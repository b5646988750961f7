#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "common/ring/flow_hash.hpp"
#include "common/ring/maglev.hpp"

using namespace dsr;
using namespace dsr::ring;

namespace {

using Table = std::vector<std::uint16_t>;

wire::Ipv4Address server_address(std::uint32_t index) {
    return wire::Ipv4Address::from_host(0x0a00000bU + index);
}  // 10.0.0.11 + index

std::vector<Server> servers(std::uint32_t count) {
    std::vector<Server> all;
    for (std::uint32_t i = 0; i < count; ++i)
        all.push_back({server_address(i), 1});
    return all;
}

Table table_of(const std::vector<Server>& pool, std::uint32_t size = kDefaultTableSize) {
    auto table = build_table(pool, size);
    REQUIRE(table);
    return *table;
}

std::vector<std::uint32_t> slots_owned(const Table& table, std::size_t count) {
    std::vector<std::uint32_t> owned(count, 0);
    for (const auto entry : table)
        ++owned.at(entry);
    return owned;
}

// FNV-1a over the owners' addresses: what a flow sees, whatever the indexes.
std::uint64_t fingerprint(const Table& table, const std::vector<Server>& pool) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const auto entry : table)
        for (int shift = 24; shift >= 0; shift -= 8) {
            hash ^= pool[entry].address.host() >> static_cast<unsigned>(shift) & 0xffU;
            hash *= 0x100000001b3ULL;
        }
    return hash;
}

// Slots whose owner is a different server than before, among those whose owner is in both pools.
double moved_share(const Table& before, const std::vector<Server>& pool_before, const Table& after,
                   const std::vector<Server>& pool_after) {
    std::size_t stayed = 0;
    std::size_t moved = 0;
    for (std::size_t slot = 0; slot < before.size(); ++slot) {
        const auto owner = pool_before[before[slot]].address;
        const bool survives = std::ranges::any_of(pool_after, [&](const Server& one) { return one.address == owner; });
        if (!survives) continue;
        ++(pool_after[after[slot]].address == owner ? stayed : moved);
    }
    return static_cast<double>(moved) / static_cast<double>(stayed + moved);
}

const std::vector<Permutation> kPaper{{3, 4}, {0, 2}, {3, 1}};

}  // namespace

TEST_CASE("the Maglev paper's table 1 is reproduced") {
    CHECK(populate(kPaper, std::vector<std::uint32_t>{3, 2, 2}, 7) == Table{1, 0, 1, 0, 2, 2, 0});
    const std::vector<Permutation> without_b1{kPaper[0], kPaper[2]};
    // Entries are indexes: the paper's B2 is 1 here.
    CHECK(populate(without_b1, std::vector<std::uint32_t>{4, 3}, 7) == Table{0, 0, 0, 0, 1, 1, 1});
    CHECK(populate(kPaper, std::vector<std::uint32_t>{4, 0, 3}, 7) == Table{0, 0, 0, 0, 2, 2, 2});
}

TEST_CASE("slots are shared out exactly: every quota is within one of its ideal") {
    std::mt19937 random(3);
    for (int round = 0; round < 500; ++round) {
        const std::uint32_t size = round % 2 == 0 ? kDefaultTableSize : 251;
        std::vector<std::uint32_t> weights(1 + random() % 40);
        for (auto& weight : weights)
            weight = static_cast<std::uint32_t>(random() % (round % 3 == 0 ? 65536 : 4));
        const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
        const auto quotas = slot_quotas(weights, size);
        REQUIRE(quotas.size() == weights.size());
        if (total == 0) continue;
        CHECK(std::accumulate(quotas.begin(), quotas.end(), 0U) == size);
        for (std::size_t i = 0; i < weights.size(); ++i) {
            const double ideal = size * (weights[i] / total);
            CHECK(std::abs(quotas[i] - ideal) < 1.0);
            if (weights[i] == 0) CHECK(quotas[i] == 0);
        }
    }
}

TEST_CASE("the table holds exactly the slots that were shared out") {
    const std::vector<Server> pool{
        {server_address(0), 1}, {server_address(1), 2}, {server_address(2), 0}, {server_address(3), 65535}};
    const auto owned = slots_owned(table_of(pool), pool.size());
    CHECK(owned == slot_quotas(std::vector<std::uint32_t>{1, 2, 0, 65535}, kDefaultTableSize));
    CHECK(owned[2] == 0);
}

TEST_CASE("with no weight at all the quotas are zero and the table is empty") {
    CHECK(slot_quotas(std::vector<std::uint32_t>{0, 0}, 7) == std::vector<std::uint32_t>{0, 0});
    CHECK(table_of({{server_address(0), 0}}).empty());
    CHECK(table_of({}).empty());
}

TEST_CASE("the order in which servers are listed does not matter") {
    std::vector<Server> pool = servers(9);
    for (std::size_t i = 0; i < pool.size(); ++i)
        pool[i].weight = static_cast<std::uint32_t>(1 + i % 3);
    const auto expected = fingerprint(table_of(pool), pool);
    std::mt19937 random(9);
    for (int round = 0; round < 10; ++round) {
        std::ranges::shuffle(pool, random);
        CHECK(fingerprint(table_of(pool), pool) == expected);
    }
}

// Changing either of these moves live flows of every user at upgrade. The values were computed by an independent
// implementation as well.
TEST_CASE("the table for three servers is frozen") {
    const auto pool = servers(3);
    CHECK(fingerprint(table_of(pool), pool) == 0x52e5181a8a88f7a8ULL);
    std::vector<Server> weighted = pool;
    weighted[1].weight = 3;
    CHECK(fingerprint(table_of(weighted), weighted) == 0xb04a8f986ef678dcULL);
}

TEST_CASE("permutations are frozen") {
    const Permutation first = permutation_of(server_address(0), kDefaultTableSize);
    CHECK(first.offset == 8863);
    CHECK(first.skip == 16628);
}

TEST_CASE("flow hashes and their slots are frozen") {
    const wire::FlowKey tcp{wire::Ipv4Address::from_host(0xc6336401), wire::Ipv4Address::from_host(0xcb00710a), 40000,
                            80, 6};
    wire::FlowKey udp = tcp;
    udp.protocol = 17;
    CHECK(flow_hash(tcp) == 0xafb5a19b75f4d0a4ULL);
    CHECK(flow_hash(udp) == 0x6b71a2b90dcaa772ULL);
    CHECK(flow_hash(tcp.reversed()) == 0x12fb253e442cc81aULL);
    CHECK(slot_of(flow_hash(tcp), kDefaultTableSize) == 44982);
}

TEST_CASE("slots reach from the first to the last") {
    CHECK(slot_of(0, 65537) == 0);
    CHECK(slot_of(~0ULL, 65537) == 65536);
    CHECK(slot_of(~0ULL, 1) == 0);
    CHECK(slot_of(~0ULL, kMaxTableSize) == kMaxTableSize - 1);
}

TEST_CASE("each field of a flow counts in its hash") {
    const wire::FlowKey flow{wire::Ipv4Address::from_host(1), wire::Ipv4Address::from_host(2), 3, 4, 6};
    std::set<std::uint64_t> hashes{flow_hash(flow)};
    wire::FlowKey other = flow;
    other.source = wire::Ipv4Address::from_host(5);
    hashes.insert(flow_hash(other));
    other = flow;
    other.destination = wire::Ipv4Address::from_host(5);
    hashes.insert(flow_hash(other));
    other = flow;
    other.source_port = 5;
    hashes.insert(flow_hash(other));
    other = flow;
    other.destination_port = 5;
    hashes.insert(flow_hash(other));
    other = flow;
    other.protocol = 17;
    hashes.insert(flow_hash(other));
    CHECK(hashes.size() == 6);
}

TEST_CASE("flows of one client spread evenly over the servers") {
    const auto pool = servers(10);
    const auto table = table_of(pool);
    std::vector<double> flows(pool.size(), 0);
    constexpr int kPorts = 50000;
    for (int port = 0; port < kPorts; ++port) {
        const wire::FlowKey flow{wire::Ipv4Address::from_host(0xc6336401), wire::Ipv4Address::from_host(0xcb00710a),
                                 static_cast<std::uint16_t>(10000 + port), 443, 6};
        ++flows[table[slot_of(flow_hash(flow), kDefaultTableSize)]];
    }
    // Chi-squared with 9 degrees of freedom: above 27.9 for one good hash in a thousand.
    double chi_squared = 0;
    for (const double count : flows)
        chi_squared += (count - kPorts / 10.0) * (count - kPorts / 10.0) / (kPorts / 10.0);
    CHECK(chi_squared < 27.9);
}

TEST_CASE("when a server leaves, hardly any slot of the others moves") {
    for (const std::uint32_t count : {3U, 10U, 100U}) {
        const auto before = servers(count);
        auto after = before;
        after.erase(after.begin() + 1);
        INFO(count << " servers");
        // The paper's figure 12: a few percent, the less the larger the table.
        CHECK(moved_share(table_of(before), before, table_of(after), after) < 0.10);
    }
}

TEST_CASE("when a server joins, hardly any slot moves between the others") {
    const auto before = servers(10);
    const auto after = servers(11);
    const auto table_before = table_of(before);
    const auto table_after = table_of(after);
    std::size_t moved = 0;
    for (std::size_t slot = 0; slot < table_before.size(); ++slot)
        if (table_after[slot] != table_before[slot] && table_after[slot] != 10) ++moved;
    CHECK(static_cast<double>(moved) / kDefaultTableSize < 0.05);
}

TEST_CASE("primes are told from the rest") {
    std::vector<bool> composite(1000, false);
    for (std::uint32_t number = 2; number < 1000; ++number) {
        CHECK(is_prime(number) == !composite[number]);
        for (std::uint32_t multiple = 2 * number; multiple < 1000; multiple += number)
            composite[multiple] = true;
    }
    CHECK_FALSE(is_prime(0));
    CHECK_FALSE(is_prime(1));
    CHECK(is_prime(65537));
    CHECK_FALSE(is_prime(65537U * 65521U));
    CHECK(is_prime(4294967291U));
    CHECK_FALSE(is_prime(4294967295U));
    CHECK(is_prime(kMaxTableSize));
}

TEST_CASE("a table is refused when its size is no prime, too large, or a server is listed twice") {
    const auto error = [](const std::vector<Server>& pool, std::uint32_t size) {
        const auto table = build_table(pool, size);
        return table ? std::string("built") : table.error();
    };
    CHECK(error(servers(2), 65536) == "table size 65536 is not a prime from 2 to 16777259");
    CHECK(error(servers(2), 0) == "table size 0 is not a prime from 2 to 16777259");
    CHECK(error(servers(2), 16777289) == "table size 16777289 is not a prime from 2 to 16777259");
    CHECK(error({{server_address(0), 1}, {server_address(0), 2}}, 7) == "server '10.0.0.11' is listed twice");
    CHECK(error(servers(65535), 65537) == "more than 65534 servers");
    CHECK(error(servers(2), 2) == "built");
}

TEST_CASE("more servers than slots leave the last ones without") {
    const auto table = table_of(servers(5), 3);
    CHECK(table.size() == 3);
    CHECK(std::set<std::uint16_t>(table.begin(), table.end()).size() == 3);
}
