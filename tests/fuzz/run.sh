#!/usr/bin/env bash
# Builds every fuzzer and runs each for a while from its committed seeds, on every processor one:
#
#     bash tests/fuzz/run.sh [SECONDS]      default 20
#
# Fails when one crashes, hangs, leaks, or executed nothing. Inputs that fail are left in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-20}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: '$seconds' is not a number of seconds" >&2; exit 2; }
build=build/fuzz
findings=$build/findings

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target fuzzers
mkdir -p "$findings"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2317 # xargs has a shell call it
run_fuzzer() { # path of the program
    local name log status=0 executions
    name=$(basename "$1")
    log=$work/$name.log
    mkdir -p "$work/$name"
    local seeds=(tests/fuzz/corpus/"$name")
    # The configuration tests are seeds as they are, and so is the example.
    if [[ $name == fuzz_config ]]; then
        seeds=(tests/config)
        cp common/config/example.yaml "$work/$name"
    fi
    # New inputs go to the first directory, which is thrown away; the committed seeds stay as they are.
    "$1" "$work/$name" "${seeds[@]}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$findings/$name-" >"$log" 2>&1 || status=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [[ $status -ne 0 ]]; then
        tail -n 40 "$log"
        echo "FAILED $name: exit $status; the input is in $findings"
        return 1
    fi
    if [[ -z $executions || $executions -eq 0 ]]; then
        echo "FAILED $name: executed nothing"
        return 1
    fi
    echo "passed $name: $executions executions in $seconds s"
}

programs=()
for program in "$build"/tests/fuzz/fuzz_*; do
    [[ ! -f $program || ! -x $program ]] || programs+=("$program")
done
[[ ${#programs[@]} -ge 2 ]] || { echo "FAILED: ${#programs[@]} fuzzers found, 2 or more expected"; exit 1; }

# What each says comes when all have ended, in one piece.
export -f run_fuzzer
export work findings seconds
failed=0
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\0' "${programs[@]}" |
    xargs -0 -P "$(nproc)" -I{} bash -c 'run_fuzzer "$1" >"$work/$(basename "$1").said"' fuzz {} || failed=1
cat "$work"/*.said
exit "$failed"
