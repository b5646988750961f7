// The parts of forward_bench.
#pragma once

#include <cstddef>
#include <string_view>

namespace dsr::lb::bench {

void register_forward_benches();  // packets
void register_build_benches();    // rings and forwarding tables

// For counting instructions: `count` packets of 10,000 known flows, rounded up to whole bursts. `what`: "layer2",
// "layer3", or "stamp" for what the benchmark itself does to them. False: none of these.
bool forward_packets(std::string_view what, std::size_t count);

}  // namespace dsr::lb::bench
