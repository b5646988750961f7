#!/bin/bash
# How fast the load balancer's core is, beside its targets, which are ratios of figures of one run on one core.
set -eu
cd "$(dirname "$0")/../.."

usage() {
    cat <<END
Usage: bash tests/bench/run.sh [--preset NAME] [--rounds N] [--short | --instructions] [--help]

Builds forward_bench, runs it N times (5), and prints the least of each figure and the targets as a Markdown table.
It takes a gigabyte of memory and about a minute a round. Results: build/NAME/bench/*.json.

  --preset NAME    of CMakePresets.json (release)
  --short          runs everything but the largest once, briefly: whether it works, not how fast it is; for CI
  --instructions   counts instructions a packet with valgrind instead: the same each time, on any machine
END
}

preset=release rounds=5 mode=times
while (($#)); do
    case $1 in
    --preset) preset=${2:?"--preset NAME"} && shift ;;
    --rounds) rounds=${2:?"--rounds N"} && shift ;;
    --short) mode=short ;;
    --instructions) mode=instructions ;;
    --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done

cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" --target forward_bench >&2
bench=build/$preset/tests/bench/forward_bench
results=build/$preset/bench
mkdir -p "$results"
rm -f "$results"/*.json

# The last core: the first one has most of the machine's interrupts.
on_one_core() { taskset -c "$(($(nproc --all) - 1))" "$@"; }

# instructions_of WHAT PACKETS: of a whole run
instructions_of() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" --count "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : *//p'
}

# Two runs that differ in the number of packets only: their difference is the packets'.
instructions_a_packet() { echo $((($(instructions_of "$1" 128000) - $(instructions_of "$1" 64000)) / 64000)); }

case $mode in
times)
    for ((round = 1; round <= rounds; ++round)); do
        echo "round $round of $rounds" >&2
        on_one_core "$bench" --benchmark_min_time=0.2 --benchmark_out="$results/$round.json" \
            --benchmark_out_format=json >"$results/$round.log" 2>&1 || { cat "$results/$round.log" >&2 && exit 1; }
    done
    python3 tests/bench/report.py "$results"/*.json
    ;;
short)
    on_one_core "$bench" --benchmark_min_time=0.01 --benchmark_filter='-flows:10000000' \
        --benchmark_out="$results/short.json" --benchmark_out_format=json
    python3 tests/bench/report.py --short "$results/short.json"
    ;;
instructions)
    echo "| 10,000 known flows | instructions a packet |"
    echo "| --- | --- |"
    stamp=$(instructions_a_packet stamp)
    for layer in 2 3; do
        echo "| Layer $layer | $(($(instructions_a_packet layer$layer) - stamp)) |"
    done
    ;;
esac
