// Makes the calling thread one that DPDK knows, on certain cores.
#pragma once

#include <cstdint>
#include <vector>

namespace dsr::lb {

// `cores`: empty leaves it where it may run. A known thread has caches of its own in the buffer pools.
void join_dpdk(const std::vector<std::uint32_t>& cores);

}  // namespace dsr::lb
