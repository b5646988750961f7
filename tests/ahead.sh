#!/usr/bin/env bash
# The part of a stage of run.sh that needs processors and nothing else: building, or reading the sources.
#
#     bash tests/ahead.sh sanitizers|fuzz|tidy
#     setsid bash tests/ahead.sh --beside STAGE...
#
# --beside does it while other stages wait for the network: one stage after the other, whatever becomes of each, behind
# everything else that wants a processor. The output goes to build/test-logs/STAGE.ahead.log, and the exit status to
# STAGE.ahead beside it, which is there when all is done.
set -euo pipefail
cd "$(dirname "$0")/.."
logs=build/test-logs
jobs=$(nproc)

ahead_sanitizers() {
    cmake --preset asan
    # Only the unit tests and what they link: dsr_unit_test names a test as its program.
    local programs
    mapfile -t programs < <(ctest --preset asan -N | sed -n 's/^ *Test *#[0-9]*: //p')
    cmake --build --preset asan -j "$jobs" --target "${programs[@]}"
}

ahead_fuzz() {
    cmake --preset fuzz
    cmake --build --preset fuzz -j "$jobs" --target fuzzers
}

# One line "passed FILE" or "FAILED FILE" for each, in tidy.out too. Each source as g++ was told to compile it. All of them
# take 15 minutes of processor time, most of it in the headers of third-party libraries; so the usual run (without
# DSR_LINT) is confined to the code that untrusted bytes reach.
ahead_tidy() {
    local which='^(common/(wire|ring)|lb/dataplane)/.*\.cpp$|^serverprep/firewall/read_ruleset\.cpp$'
    [[ -z ${DSR_LINT:-} ]] || which='\.cpp$'
    find common lb serverprep verify tests -name '*.cpp' | grep -v '^tests/fuzz/' | sort | grep -E "$which" >"$logs/tidy.files"
    # shellcheck disable=SC2016 # the inner shell expands it
    xargs -a "$logs/tidy.files" -P "$jobs" -I{} bash -c '
        if clang-tidy-19 -p build/ci --quiet "$1" 2>/dev/null; then echo "passed $1"; else echo "FAILED $1"; exit 1; fi
    ' tidy {} | tee "$logs/tidy.out"
}

beside() {
    # Not only within this session, where nice counts, but among the sessions: the lab's programs have their own.
    { echo 19 >/proc/self/autogroup; } 2>/dev/null || true
    renice -n 19 -p $$ >/dev/null
    local stage status
    for stage; do
        status=0
        bash tests/ahead.sh "$stage" >"$logs/$stage.ahead.log" 2>&1 || status=$?
        echo "$status" >"$logs/$stage.ahead"
    done
}

mkdir -p "$logs"
case ${1-} in
--beside) shift && beside "$@" ;;
sanitizers | fuzz | tidy) "ahead_$1" ;;
*) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
