#!/bin/bash
# The whole toolkit in one go: builds it, brings up a lab of network namespaces, prepares two servers, balances, proves that
# replies bypass the load balancer, breaks a server and lets it be found and healed. Leaves nothing behind but build/.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/packages.sh

if ((EUID != 0)); then
    echo "the demo makes network namespaces: run it as root (sudo bash tests/demo.sh)" >&2
    exit 2
fi

bold="" plain=""
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; fi
build=$PWD/build/demo
log=$build/build.log

# quietly TITLE COMMAND…: the output goes to the log, and to the screen when the command fails.
quietly() {
    local begin=$SECONDS title=$1
    shift
    printf '  %-46s' "$title"
    if "$@" >>"$log" 2>&1 </dev/null; then
        printf 'done, %d s\n' $((SECONDS - begin))
    else
        printf 'failed\n\n'
        tail -n 40 "$log"
        exit 1
    fi
}

mkdir -p "$build"
: >"$log"
printf '%s\n' "${bold}Building${plain} (log: build/demo/build.log)"
quietly "Debian packages" install_missing "${demo_packages[@]}"
quietly "cmake -S . -B build/demo" cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DDSR_TESTS=OFF
quietly "cmake --build build/demo" cmake --build "$build"
quietly "cmake --install … --prefix build/demo/prefix" cmake --install "$build" --prefix "$build/prefix"

cd tests
DSR_PREFIX=$build/prefix exec /usr/bin/python3 -m lab.demo
