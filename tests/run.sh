#!/bin/bash
# Builds everything and runs every test. The last line is "N passed, N failed"; the exit status says the same.
set -u
cd "$(dirname "$0")/.." || exit 1
root=$PWD
prefix=$root/build/prefix
logs=$root/build/test-logs
python=/usr/bin/python3
export DSR_PREFIX=$prefix DSR_LINT=
. tests/packages.sh

# name|title|in --quick? ("on demand": only when asked for)
stages=(
    "packages|Debian packages|quick"
    "build|build with warnings as errors, install to build/prefix; without DPDK and BPF, too|quick"
    "unit|unit tests|quick"
    "style|clang-format, shellcheck, manual pages|quick"
    "contract|programs without a network: configuration errors, replay, options|quick"
    "lab|system tests in network namespaces|quick"
    "dpdk|the same with driver dpdk in place of pcap: traffic (--dpdk: all of lb's tests)|"
    "playbooks|playbooks over SSH|"
    "sanitizers|unit tests with address and undefined-behaviour sanitizers|"
    "fuzz|fuzzers, 15 seconds each|"
    "tidy|clang-tidy over what reads packets and rulesets (--lint: over everything)|"
    "bench|benchmarks, once and briefly: that they run, not how fast they are|"
    "vm|in a virtual machine: driver dpdk with PCI network cards, serverprep with the kernel's ipip|on demand"
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

What sanitizers, fuzz and tidy build and read is begun beside the stages before them that mostly wait (its own log:
build/test-logs/STAGE.ahead.log). Nothing runs beside the benchmarks.

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

quick='' dpdk='' vm=''
only=()
while (($#)); do
    case $1 in
    --quick) quick=yes ;;
    --lint) DSR_LINT=yes ;;
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
    # The preset's own command lines but for three files: ccache has the rest from just now.
    local bare=build/without-dpdk-and-bpf
    cmake -G Ninja -S . -B "$bare" -DCMAKE_BUILD_TYPE=Release -DDSR_WERROR=ON -DDSR_DPDK=OFF -DDSR_BPF=OFF -DDSR_TESTS=OFF
    cmake --build "$bare" --target lb serverprep
    each "lb without DPDK says that driver dpdk is not in it" says_no_dpdk "$bare/lb/lb"
    each "serverprep without BPF says that it has no filters" says_no_bpf "$bare/serverprep/serverprep"
}

says_no_dpdk() { # lb
    local said status=0
    "$1" check --config tests/config/valid-dpdk.yaml 2>&1 | grep "is not in this build"
    said=$("$1" run --config tests/config/valid-dpdk.yaml 2>&1) || status=$?
    echo "$said"
    [[ $status == 2 && $said == *"driver 'dpdk' is not in this build"* ]]
}

says_no_bpf() { # serverprep
    local said status=0
    # shellcheck disable=SC2016 # the inner shell expands it
    said=$(unshare --net sh -ec '
        ip link add eth0 type veth peer name eth1
        ip address add 10.0.0.11/24 dev eth0
        ip link set eth0 up
        "$1" --check --vip 10.0.0.100 --dsr-type l3 --decap bpf --load-balancer 10.0.0.2
    ' says_no_bpf "$1" 2>&1) || status=$?
    echo "$said"
    [[ $status == 2 && $said == *"--decap: 'bpf' is not in this build"* ]]
}

stage_unit() { run_ctest ci; }

stage_style() {
    local file
    while read -r file; do
        each "$file" clang-format-19 --dry-run -Werror "$file"
    done < <(our_sources; find serverprep tests -name '*.bpf.c' | sort)
    for file in tests/*.sh tests/*/*.sh serverprep/*/*.sh .ci/run; do
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
    ahead sanitizers
    run_ctest asan
}

stage_fuzz() { # one line "passed NAME: …" or "FAILED NAME: …" for each fuzzer
    ahead fuzz
    local status=0
    bash tests/fuzz/run.sh 15 | tee "$logs/fuzz.out" || status=$?
    count "$(grep -c '^passed' "$logs/fuzz.out")" "$(grep -c '^FAILED' "$logs/fuzz.out")"
    return "$status"
}

stage_tidy() {
    local status=0
    ahead tidy || status=$?
    count "$(grep -c '^passed' "$logs/tidy.out")" "$(grep -c '^FAILED' "$logs/tidy.out")"
    return "$status"
}

stage_vm() {
    install_missing "${vm_packages[@]}"
    local options=()
    [[ $vm != all ]] || options+=(--all-nics)
    run_pytest vm tests/vm "${options[@]}"
}

# -- work ahead: what needs processors alone goes on beside the stages that mostly wait ---------------------------------

ahead_pid='' # of the session that does it

begin_ahead() {
    local entry name title in_quick stages_ahead=()
    for entry in "${stages[@]}"; do
        IFS='|' read -r name title in_quick <<<"$entry"
        [[ $name =~ ^(sanitizers|fuzz|tidy)$ ]] || continue
        wanted "$name" "$in_quick" || continue
        rm -f "$logs/$name.ahead"
        stages_ahead+=("$name")
    done
    ((${#stages_ahead[@]})) || return 0
    setsid bash tests/ahead.sh --beside "${stages_ahead[@]}" </dev/null &
    ahead_pid=$!
}

end_ahead() { # if it still runs, all of its session
    [[ -z $ahead_pid ]] || ! jobs -pr | grep -qx "$ahead_pid" || kill -- "-$ahead_pid"
}
trap end_ahead EXIT
trap 'exit 130' INT # also when the stage's program took Ctrl-C for itself

# ahead STAGE: tests/ahead.sh has done its part, now or beside the stages before; with its output and exit status.
ahead() {
    local result=$logs/$1.ahead
    if [[ -z $ahead_pid ]]; then
        bash tests/ahead.sh "$1"
        return
    fi
    # A subshell cannot `wait` for a process of its parent's.
    while [[ ! -s $result ]] && kill -0 "$ahead_pid" 2>/dev/null; do sleep 0.2; done
    cat "$logs/$1.ahead.log"
    [[ -s $result ]] || echo "tests/ahead.sh did not come to its end"
    return "$(cat "$result" || echo 1)"
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
    wanted "$name" "$in_quick" || continue
    # Not beside the unit tests, so that these say soon whether there is anything to go on with.
    if [[ $name =~ ^(style|contract|lab|dpdk|playbooks)$ && -z $ahead_pid$build_broken ]]; then begin_ahead; fi
    run_stage "$name" "$title"
done

printf '\n%s── summary, %d:%02d minutes%s\n' "$bold" $((SECONDS / 60)) $((SECONDS % 60)) "$plain"
printf '%s\n' "${summary[@]}"
echo "$total_passed passed, $total_failed failed"
((total_failed == 0))
