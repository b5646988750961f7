#!/bin/bash
# Builds everything and runs every test. The last line is "N passed, N failed"; the exit status says the same.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
prefix=$root/build/prefix
logs=$root/build/test-logs
python=/usr/bin/python3
export DSR_PREFIX=$prefix
. tests/packages.sh

# name|title|in --quick? ("on demand": only when asked for)
stages=(
    "packages|Debian packages|quick"
    "build|build with warnings as errors, install to build/prefix|quick"
    "unit|unit tests|quick"
    "style|clang-format, shellcheck, manual pages|quick"
    "contract|programs without a network: configuration errors, replay, options|quick"
    "lab|system tests in network namespaces|quick"
    "dpdk|the same with driver dpdk in place of pcap: traffic (--dpdk: all of lb's tests)|"
    "playbooks|playbooks over SSH|"
    "bench|benchmarks, once and briefly: that they run, not how fast they are|"
    "sanitizers|unit tests with address and undefined-behaviour sanitizers|"
    "fuzz|fuzzers, 15 seconds each|"
    "tidy|clang-tidy over what reads packets (--lint: over everything)|"
    "vm|driver dpdk in a virtual machine with PCI network cards|on demand"
)

usage() {
    cat <<END
Usage: bash tests/run.sh [--quick] [--lint] [--dpdk] [--vm | --vm-all] [--only STAGE]... [--help]

Installs the Debian packages that are missing, builds, and runs every test. Logs: build/test-logs/STAGE.log.

  --quick        only the stages marked *
  --only STAGE   only this stage (again for more); 'build' must have run before
  --lint         clang-tidy over every source file (some 8 minutes more on two cores)
  --dpdk         all of lb's system tests with driver dpdk, too (some 8 minutes more)
  --vm           the stage vm as well, which boots virtual machines (slow: without KVM)
  --vm-all       the same with every model of network card, not one alone
  --help         this text

Stages:
END
    local entry name title quick
    for entry in "${stages[@]}"; do
        IFS='|' read -r name title quick <<<"$entry"
        [[ $quick != quick ]] || quick='*'
        [[ $quick != "on demand" ]] || quick='' title+=" (only with --vm)"
        printf '  %1s %-11s %s\n' "$quick" "$name" "$title"
    done
}

quick='' lint='' dpdk='' vm=''
only=()
while (($#)); do
    case $1 in
    --quick) quick=yes ;;
    --lint) lint=yes ;;
    --dpdk) dpdk=yes ;;
    --vm) vm=yes ;;
    --vm-all) vm=all ;;
    --only)
        [[ $# -gt 1 && " ${stages[*]} " == *" $2|"* ]] || { usage >&2; exit 2; }
        only+=("$2")
        shift
        ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done

bold="" green="" red="" plain=""
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

# -- stages: each is a function stage_NAME run in a subshell with set -e; `count P F` adds to its result ----------------

count() { echo "$1 $2" >>"$counts"; }

# each LABEL COMMAND…: one check of a stage; says which failed and goes on.
each() {
    local label=$1
    shift
    if "$@"; then
        count 1 0
    else
        echo "FAILED: $label"
        count 0 1
    fi
}

our_sources() { find common lb serverprep verify tests -name '*.cpp' -o -name '*.hpp' | sort; }

run_pytest() { # name, then files or directories
    local junit=$logs/$1.xml status=0
    shift
    "$python" -m pytest -v --tb=short --no-header --color=no --junitxml="$junit" "$@" || status=$?
    # shellcheck disable=SC2046 # two words
    count $("$python" tests/count_tests.py "$junit")
    return "$status"
}

run_ctest() { # preset
    local junit=$logs/ctest-$1.xml status=0
    ctest --preset "$1" -j2 --no-tests=error --output-junit "$junit" --test-output-size-passed 1000000 || status=$?
    # shellcheck disable=SC2046 # two words
    count $("$python" tests/count_tests.py "$junit")
    return "$status"
}

stage_packages() {
    install_missing "${test_packages[@]}"
    count 1 0
}

stage_build() {
    cmake --preset ci
    cmake --build --preset ci
    rm -rf "$prefix"
    cmake --install build/ci --prefix "$prefix" >"$logs/install.log"
    for program in sbin/lb sbin/serverprep bin/verify; do
        each "$program is installed and knows its version" "$prefix/$program" --version
    done
    cmake -G Ninja -S . -B build/without-dpdk -DCMAKE_BUILD_TYPE=Release -DDSR_WERROR=ON -DDSR_DPDK=OFF -DDSR_TESTS=OFF
    cmake --build build/without-dpdk --target lb
    each "lb without DPDK says that driver dpdk is not in it" says_no_dpdk build/without-dpdk/lb/lb
}

says_no_dpdk() { # lb
    local said status=0
    "$1" check --config tests/config/valid-dpdk.yaml 2>&1 | grep "is not in this build"
    said=$("$1" run --config tests/config/valid-dpdk.yaml 2>&1) || status=$?
    echo "$said"
    [[ $status == 2 && $said == *"driver 'dpdk' is not in this build"* ]]
}

stage_unit() { run_ctest ci; }

stage_style() {
    local file
    while read -r file; do
        each "$file" clang-format-19 --dry-run -Werror "$file"
    done < <(our_sources; find tests -name '*.bpf.c' | sort)
    for file in tests/*.sh tests/*/*.sh .ci/run; do
        [[ ! -e $file ]] || each "$file" shellcheck -x "$file"
    done
    while read -r file; do
        each "$file" mandoc -Tlint -W warning "$file"
    done < <(find "$prefix/share/man" -type f | sort)
}

stage_contract() {
    local directories=()
    mapfile -t directories < <(find tests -mindepth 2 -name 'test_*.py' -printf '%h\n' |
        grep -vxE 'tests/(lab|playbooks|vm)' | sort -u)
    run_pytest contract "${directories[@]:?no test directories}"
}

stage_lab() { run_pytest lab tests/lab; }

stage_dpdk() {
    local tests=(tests/lab/test_traffic.py)
    [[ -z $dpdk ]] || tests+=(tests/lab/test_first_light.py tests/lab/test_lb_errors.py tests/lab/test_lb_lifecycle.py
        tests/lab/test_lb_reload.py tests/lab/test_layer3.py)
    DSR_LAB_DRIVER=dpdk run_pytest dpdk "${tests[@]}"
}

stage_playbooks() { run_pytest playbooks tests/playbooks; }

stage_bench() {
    each "forward_bench" bash tests/bench/run.sh --preset ci --short
    each "reload_bench" build/ci/tests/bench/reload_bench 1
    each "pcap_bench" "$python" tests/bench/pcap_bench.py build/ci/tests/bench/pcap_bench --short
    each "dpdk_bench" "$python" tests/bench/dpdk_bench.py build/ci/tests/bench/dpdk_bench build/ci/lb/lb --short
}

stage_sanitizers() {
    cmake --preset asan
    # Only the unit tests and what they link: dsr_unit_test names a test as its program.
    local programs
    mapfile -t programs < <(ctest --preset asan -N | sed -n 's/^ *Test *#[0-9]*: //p')
    cmake --build --preset asan --target "${programs[@]}"
    run_ctest asan
}

stage_fuzz() { # one line "passed NAME: …" or "FAILED NAME: …" for each fuzzer
    local status=0
    bash tests/fuzz/run.sh 15 | tee "$logs/fuzz.out" || status=$?
    count "$(grep -c '^passed' "$logs/fuzz.out")" "$(grep -c '^FAILED' "$logs/fuzz.out")"
    return "$status"
}

stage_tidy() {
    # Each source as g++ was told to compile it. All of them take 15 minutes of processor time, most of it in the headers
    # of third-party libraries; so the usual run is confined to the code that untrusted bytes reach.
    local which='^(common/(wire|ring)|lb/dataplane)/.*\.cpp$'
    [[ -z $lint ]] || which='\.cpp$'
    our_sources | grep -v '^tests/fuzz/' | grep -E "$which" >"$logs/tidy.files"
    local status=0
    # shellcheck disable=SC2016 # the inner shell expands it
    xargs -a "$logs/tidy.files" -P 2 -I{} bash -c '
        if clang-tidy-19 -p build/ci --quiet "$1" 2>/dev/null; then echo "passed $1"; else echo "FAILED $1"; exit 1; fi
    ' tidy {} | tee "$logs/tidy.out" || status=$?
    count "$(grep -c '^passed' "$logs/tidy.out")" "$(grep -c '^FAILED' "$logs/tidy.out")"
    return "$status"
}

stage_vm() {
    install_missing "${vm_packages[@]}"
    local options=()
    [[ $vm != all ]] || options+=(--all-nics)
    run_pytest vm tests/vm "${options[@]}"
}

# -- running them ------------------------------------------------------------------------------------------------------

wanted() { # name, quick
    if ((${#only[@]})); then
        [[ " ${only[*]} " == *" $1 "* ]]
    elif [[ $2 == "on demand" ]]; then
        [[ -n $vm ]]
    else
        [[ -z $quick || -n $2 ]]
    fi
}

total_passed=0 total_failed=0 build_broken=
summary=()

run_stage() { # name, title
    local begin=$SECONDS status passed failed colour=$green
    counts=$logs/$1.count
    : >"$counts"
    printf '\n%s── %s: %s%s\n' "$bold" "$1" "$2" "$plain"
    if [[ -n $build_broken && $1 != style ]]; then
        echo "not run: the build failed" | tee "$logs/$1.log"
        status=1
    else
        (set -e -o pipefail; "stage_$1") 2>&1 </dev/null | tee "$logs/$1.log"
        status=${PIPESTATUS[0]}
    fi
    read -r passed failed < <(awk '{p += $1; f += $2} END {print p + 0, f + 0}' "$counts")
    if ((status != 0 && failed == 0)); then
        failed=1
    elif ((passed + failed == 0)); then
        echo "the stage ran nothing"
        failed=1
    fi
    if ((failed != 0)); then
        colour=$red
        echo "log: build/test-logs/$1.log"
        [[ $1 != build && $1 != packages ]] || build_broken=yes
    fi
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    summary+=("$(printf '%s%-11s %5d passed %5d failed %5d s%s' "$colour" "$1" "$passed" "$failed" $((SECONDS - begin)) "$plain")")
    printf '%s\n' "${summary[-1]}"
}

mkdir -p "$logs"
for entry in "${stages[@]}"; do
    IFS='|' read -r name title in_quick <<<"$entry"
    if wanted "$name" "$in_quick"; then run_stage "$name" "$title"; fi
done

printf '\n%s── summary, %d:%02d minutes%s\n' "$bold" $((SECONDS / 60)) $((SECONDS % 60)) "$plain"
printf '%s\n' "${summary[@]}"
echo "$total_passed passed, $total_failed failed"
((total_failed == 0))
