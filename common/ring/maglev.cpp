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
    const std::uint32_t largest = quotas.empty() ? 0 : *std::ranges::max_element(quotas);
    if (largest == 0) return {};
    std::vector<std::uint16_t> table(table_size, kEmpty);
    std::vector<std::uint32_t> position(permutations.size());
    std::vector<std::uint32_t> taken(permutations.size(), 0);
    std::ranges::transform(permutations, position.begin(), &Permutation::offset);
    std::uint32_t filled = 0;
    // In round r of `largest`, a server is due ceil(r * quota / largest) slots in all: equal quotas take strict turns
    // as in the paper, unequal ones in proportion.
    for (std::uint64_t round = 1; filled < table_size; ++round) {
        for (std::size_t i = 0; i < permutations.size(); ++i) {
            const std::uint64_t due = (round * quotas[i] + largest - 1) / largest;
            if (taken[i] >= due || taken[i] >= quotas[i]) continue;
            std::uint32_t slot = position[i];
            while (table[slot] != kEmpty) {
                slot += permutations[i].skip;
                if (slot >= table_size) slot -= table_size;
            }
            table[slot] = static_cast<std::uint16_t>(i);
            position[i] = slot;
            ++taken[i];
            ++filled;
        }
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
