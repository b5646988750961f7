// forward_bench [Google Benchmark's options], or: forward_bench --count layer2|layer3|stamp PACKETS
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <benchmark/benchmark.h>

#include "tests/bench/benches.hpp"

int main(int argc, char** argv) {
    if (argc == 4 && std::strcmp(argv[1], "--count") == 0) {
        if (dsr::lb::bench::forward_packets(argv[2], std::strtoull(argv[3], nullptr, 10))) return 0;
        std::fprintf(stderr, "forward_bench: --count layer2, layer3 or stamp, not '%s'\n", argv[2]);
        return 2;
    }
    dsr::lb::bench::register_forward_benches();
    dsr::lb::bench::register_build_benches();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    return benchmark::RunSpecifiedBenchmarks() != 0 ? 0 : 1;
}
