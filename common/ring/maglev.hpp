// The Maglev lookup table: which server owns which slot ("Maglev: A Fast and Reliable Software Network Load Balancer",
// NSDI 2016, section 3.4), with exact weights. A pure function of the set of (address, weight): the order of the list,
// the balancer and the day do not matter. Knows nothing of health or configuration.
//
// When one of n equal servers leaves or joins, its own slots must move; of the others, at 65537 slots, these move too
// (mean, measured): 0.3 % for n = 10, 0.6 % for n = 100, 0.6 % for n = 1000.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "common/wire/address.hpp"

namespace dsr::ring {

inline constexpr std::uint32_t kDefaultTableSize = 65537;
inline constexpr std::uint32_t kMaxTableSize = 16777259;  // the first prime above 2^24: 32 MB a pool

struct Server {
    wire::Ipv4Address address;
    std::uint32_t weight = 1;  // 0: owns no slot
};

// One server's walk through the slots: offset, offset + skip, offset + 2 skip, ... modulo the table size.
struct Permutation {
    std::uint32_t offset;  // 0..size-1
    std::uint32_t skip;    // 1..size-1
};

bool is_prime(std::uint32_t number);

// A server's permutation, from its address alone.
Permutation permutation_of(wire::Ipv4Address address, std::uint32_t table_size);

// How many slots each server gets: within 1 of table_size * weight / sum of weights, summing up to table_size
// (largest remainder; ties go to the lower index). All zero when every weight is.
std::vector<std::uint32_t> slot_quotas(std::span<const std::uint32_t> weights, std::uint32_t table_size);

// Fills the table: servers take their next free slot in turns, each as often as its quota asks. The table size is a
// prime and the sum of the quotas, at most 65534 of them. Entries are indexes into `permutations`. Exposed for the
// paper's worked example.
std::vector<std::uint16_t> populate(std::span<const Permutation> permutations, std::span<const std::uint32_t> quotas,
                                    std::uint32_t table_size);

// The table for a pool: entry = index into `servers` as given. Empty when no server has weight.
// Errors: a table size that is not prime or is out of range, more than 65534 servers, the same address twice.
std::expected<std::vector<std::uint16_t>, std::string> build_table(std::span<const Server> servers,
                                                                   std::uint32_t table_size = kDefaultTableSize);

}  // namespace dsr::ring
