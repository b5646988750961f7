// Which worker a frame is for, where software spreads frames over workers: all packets of a flow, and the ICMP errors
// about it, go to the same one, because only that one remembers the flow.
#pragma once

#include <cstdint>

#include "common/wire/parse.hpp"

namespace dsr::lb {

// Uniform over 64 bits. Fragments have no ports but the first: they go by their addresses, not with their flow.
// What belongs to no flow gets 0.
std::uint64_t spread_hash(wire::Bytes frame);

}  // namespace dsr::lb
