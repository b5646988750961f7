#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <span>
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
    std::set<wire::Ipv4Address> survivors;
    for (const auto& server : pool_after)
        survivors.insert(server.address);
    for (std::size_t slot = 0; slot < before.size(); ++slot) {
        const auto owner = pool_before[before[slot]].address;
        if (!survivors.contains(owner)) continue;
        ++(pool_after[after[slot]].address == owner ? stayed : moved);
    }
    return static_cast<double>(moved) / static_cast<double>(stayed + moved);
}

// Asks every server in every round and probes the table itself: slow, and nothing in it to get wrong.
Table populate_plainly(std::span<const Permutation> permutations, std::span<const std::uint32_t> quotas,
                       std::uint32_t table_size) {
    const std::uint64_t largest = *std::ranges::max_element(quotas);
    Table table(table_size, 0xffff);
    std::vector<std::uint32_t> taken(quotas.size(), 0);
    for (std::uint64_t round = 1; round <= largest; ++round)
        for (std::size_t i = 0; i < quotas.size(); ++i) {
            if (taken[i] == (round * quotas[i] + largest - 1) / largest) continue;
            std::uint64_t slot = permutations[i].offset;
            while (table[slot] != 0xffff)
                slot = (slot + permutations[i].skip) % table_size;
            table[slot] = static_cast<std::uint16_t>(i);
            ++taken[i];
        }
    return table;
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

TEST_CASE("whatever the weights, each server owns its share of the table to within one slot") {
    std::mt19937 random(5);
    for (int round = 0; round < 200; ++round) {
        const std::uint32_t size = round % 20 == 0 ? kDefaultTableSize : 1021;
        auto pool = servers(static_cast<std::uint32_t>(1 + random() % 60));
        for (auto& server : pool)
            server.weight = static_cast<std::uint32_t>(round % 3 == 0 && random() % 8 == 0 ? 65535 : random() % 5);
        double total = 0;
        for (const auto& server : pool)
            total += server.weight;
        if (total == 0) continue;
        const auto owned = slots_owned(table_of(pool, size), pool.size());
        for (std::size_t i = 0; i < pool.size(); ++i)
            CHECK(std::abs(owned[i] - size * (pool[i].weight / total)) < 1.0);
    }
}

TEST_CASE("the table is the one that the plainest way to fill it gives") {
    std::mt19937 random(11);
    for (int round = 0; round < 400; ++round) {
        const std::uint32_t size = std::vector{2U, 3U, 7U, 251U, 509U, 1021U, 4093U}[random() % 7];
        const auto pool = servers(static_cast<std::uint32_t>(1 + random() % 50));
        std::vector<Permutation> permutations;
        std::vector<std::uint32_t> weights;
        for (const auto& server : pool) {
            permutations.push_back(permutation_of(server.address, size));
            weights.push_back(static_cast<std::uint32_t>(1 + random() % (round % 2 == 0 ? 1 : 1 + random() % 65535)));
        }
        const auto quotas = slot_quotas(weights, size);
        CHECK(populate(permutations, quotas, size) == populate_plainly(permutations, quotas, size));
    }
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

// maglev.hpp states these figures. A joining server is the same pair of tables the other way round.
TEST_CASE("when a server leaves or joins, less than one percent of the slots of the others move") {
    struct Case {
        std::uint32_t count;
        double share;  // of the slots that did not have to move
    };
    for (const auto& [count, share] : {Case{10, 0.0028}, Case{100, 0.0059}, Case{1000, 0.0057}}) {
        const auto pool = servers(count);
        const auto table = table_of(pool);
        double sum = 0;
        for (std::uint32_t tenth = 0; tenth < 10; ++tenth) {
            auto without_one = pool;
            without_one.erase(without_one.begin() + tenth * (count / 10));
            const auto table_without = table_of(without_one);
            const double moved = moved_share(table, pool, table_without, without_one);
            INFO(count << " servers, without number " << tenth * (count / 10));
            CHECK(moved < 0.01);
            CHECK(moved_share(table_without, without_one, table, pool) < 0.01 + 1.1 / count);
            sum += moved;
        }
        CHECK(sum / 10 == Approx(share).margin(0.0003));
    }
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
