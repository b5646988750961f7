// The hash that decides which server a flow goes to. It is part of the contract between balancers, across versions
// and with `verify --config`: golden values are frozen in the tests. Pure; knows no table.
#pragma once

#include <cstdint>

#include "common/wire/flow_key.hpp"

namespace dsr::ring {

// MurmurHash3's 64-bit finalizer: a bijection in which every input bit changes every output bit with probability ~1/2.
constexpr std::uint64_t mix64(std::uint64_t value) {
    value ^= value >> 33U;
    value *= 0xff51afd7ed558ccdULL;
    value ^= value >> 33U;
    value *= 0xc4ceb9fe1a85ec53ULL;
    value ^= value >> 33U;
    return value;
}

// Uniform over 64 bits; all five fields count. Not keyed: who knows it can aim flows at one server,
// as with every consistent hash that several balancers share.
// `addresses` and `ports`: FlowKey::addresses() and FlowKey::ports().
constexpr std::uint64_t flow_hash(std::uint64_t addresses, std::uint32_t ports, std::uint8_t protocol) {
    const std::uint64_t rest = std::uint64_t{protocol} << 32U | ports;
    return mix64(mix64(addresses) ^ (rest * 0x9e3779b97f4a7c15ULL));
}
constexpr std::uint64_t flow_hash(const wire::FlowKey& flow) {
    return flow_hash(flow.addresses(), flow.ports(), flow.protocol);
}

// Slot 0..slot_count-1 for a hash: multiply-shift on the high 32 bits (no division).
constexpr std::uint32_t slot_of(std::uint64_t hash, std::uint32_t slot_count) {
    return static_cast<std::uint32_t>(((hash >> 32U) * slot_count) >> 32U);
}

}  // namespace dsr::ring
