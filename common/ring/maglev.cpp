#include "common/ring/maglev.hpp"

#include <algorithm>
#include <numeric>

#include "common/ring/flow_hash.hpp"

namespace dsr::ring {
namespace {

constexpr std::uint16_t kEmpty = 0xffff;

// An IPv4 address enters the hash as its IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2), so that IPv6 servers can
// join later without moving anybody.
std::uint64_t address_hash(wire::Ipv4Address address, std::uint64_t seed) {
    constexpr std::uint64_t kHighHalf = 0;
    const std::uint64_t low_half = 0x0000ffff00000000ULL | address.host();
    return mix64(mix64(kHighHalf ^ seed) ^ low_half);
}

// The paper's h1 and h2: any two fixed, different seeds.
constexpr std::uint64_t kOffsetSeed = 0x6f66667365740001ULL;  // "offset"
constexpr std::uint64_t kSkipSeed = 0x736b697000000001ULL;    // "skip"

// The servers in the order of their turns. In round r of `largest`, a server is due ceil(r * quota / largest) slots in
// all: equal quotas take strict turns as in the paper, unequal ones in proportion. So its k-th turn, counted from 0, is
// in round floor(k * largest / quota), which is kept up without a division; turns of one round go by index. A counting
// sort by round, and not rounds that ask each server: with weights 1 and 65535, hardly any server is due in a round.
std::vector<std::uint16_t> turns_of(std::span<const std::uint32_t> quotas) {
    const std::uint32_t largest = quotas.empty() ? 0 : *std::ranges::max_element(quotas);
    const auto for_each_turn = [&](auto&& visit) {
        for (std::size_t i = 0; i < quotas.size(); ++i) {
            if (quotas[i] == 0) continue;
            const std::uint32_t step = largest / quotas[i];
            const std::uint32_t rest = largest % quotas[i];
            std::uint32_t round = 0;
            std::uint32_t behind = 0;  // k * largest - round * quota: 0..quota-1
            for (std::uint32_t k = 0; k < quotas[i]; ++k) {
                visit(round, static_cast<std::uint16_t>(i));
                behind += rest;
                const bool carry = behind >= quotas[i];
                round += step + (carry ? 1 : 0);
                behind -= carry ? quotas[i] : 0;
            }
        }
    };
    std::vector<std::uint32_t> next(largest + 1, 0);  // where the next turn of each round goes
    for_each_turn([&](std::uint32_t round, std::uint16_t) { ++next[round + 1]; });
    std::partial_sum(next.begin(), next.end(), next.begin());
    std::vector<std::uint16_t> turns(next.back());
    for_each_turn([&](std::uint32_t round, std::uint16_t server) { turns[next[round]++] = server; });
    return turns;
}

// A bit a slot, 8 KB at 65537: stays in the first-level cache, which the table itself does not.
class FreeSlots {
public:
    explicit FreeSlots(std::uint32_t table_size) : size_(table_size), taken_(table_size / 64 + 1, 0) {}

    // The first free slot of a walk, which is free no more. There must be one.
    std::uint32_t take(const Permutation& walk) {
        std::uint32_t slot = walk.offset;
        while (is_taken(slot)) {
            slot += walk.skip;
            if (slot >= size_) slot -= size_;
        }
        taken_[slot / 64] |= std::uint64_t{1} << slot % 64;
        return slot;
    }

private:
    [[nodiscard]] bool is_taken(std::uint32_t slot) const { return (taken_[slot / 64] >> slot % 64 & 1U) != 0; }

    std::uint32_t size_;
    std::vector<std::uint64_t> taken_;
};

}  // namespace

bool is_prime(std::uint32_t number) {
    if (number < 4) return number >= 2;
    if (number % 2 == 0) return false;
    for (std::uint64_t divisor = 3; divisor * divisor <= number; divisor += 2)
        if (number % divisor == 0) return false;
    return true;
}

Permutation permutation_of(wire::Ipv4Address address, std::uint32_t table_size) {
    return {static_cast<std::uint32_t>(address_hash(address, kOffsetSeed) % table_size),
            static_cast<std::uint32_t>(address_hash(address, kSkipSeed) % (table_size - 1)) + 1};
}

std::vector<std::uint32_t> slot_quotas(std::span<const std::uint32_t> weights, std::uint32_t table_size) {
    const std::uint64_t total = std::accumulate(weights.begin(), weights.end(), std::uint64_t{0});
    std::vector<std::uint32_t> quotas(weights.size(), 0);
    if (total == 0) return quotas;
    std::vector<std::uint64_t> remainders(weights.size());
    std::uint64_t given = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
        const std::uint64_t share = std::uint64_t{table_size} * weights[i];
        quotas[i] = static_cast<std::uint32_t>(share / total);
        remainders[i] = share % total;
        given += quotas[i];
    }
    std::vector<std::uint32_t> order(weights.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::sort(
        order, [&](auto a, auto b) { return remainders[a] != remainders[b] ? remainders[a] > remainders[b] : a < b; });
    for (std::size_t i = 0; given < table_size; ++i, ++given)
        ++quotas[order[i]];
    return quotas;
}

std::vector<std::uint16_t> populate(std::span<const Permutation> permutations, std::span<const std::uint32_t> quotas,
                                    std::uint32_t table_size) {
    const auto turns = turns_of(quotas);
    if (turns.empty()) return {};
    std::vector<std::uint16_t> table(table_size, kEmpty);
    std::vector<Permutation> walks(permutations.begin(), permutations.end());  // offset: where each has got to
    FreeSlots free(table_size);
    for (const std::uint16_t server : turns) {
        auto& walk = walks[server];
        walk.offset = free.take(walk);
        table[walk.offset] = server;
    }
    return table;
}

std::expected<std::vector<std::uint16_t>, std::string> build_table(std::span<const Server> servers,
                                                                   std::uint32_t table_size) {
    if (table_size < 2 || table_size > kMaxTableSize || !is_prime(table_size))
        return std::unexpected("table size " + std::to_string(table_size) + " is not a prime from 2 to " +
                               std::to_string(kMaxTableSize));
    if (servers.size() >= kEmpty) return std::unexpected(std::string("more than 65534 servers"));
    // By address, so that the order in which a pool is written down does not matter.
    std::vector<std::uint16_t> order(servers.size());
    std::iota(order.begin(), order.end(), std::uint16_t{0});
    std::ranges::sort(order, {}, [&](auto i) { return servers[i].address; });
    const auto same = std::ranges::adjacent_find(order, {}, [&](auto i) { return servers[i].address; });
    if (same != order.end())
        return std::unexpected("server '" + wire::to_string(servers[*same].address) + "' is listed twice");

    std::vector<Permutation> permutations;
    std::vector<std::uint32_t> weights;
    for (const auto i : order) {
        permutations.push_back(permutation_of(servers[i].address, table_size));
        weights.push_back(servers[i].weight);
    }
    auto table = populate(permutations, slot_quotas(weights, table_size), table_size);
    for (auto& entry : table)
        entry = order[entry];
    return table;
}

}  // namespace dsr::ring
