# Debian packages this project needs, and installing those that are missing. Sourced by run.sh and demo.sh.
# shellcheck shell=bash disable=SC2034

# To build, and to run the demo.
demo_packages=(g++ cmake ninja-build pkg-config
    libnl-3-dev libpcap-dev libcli11-dev catch2 libfmt-dev nlohmann-json3-dev libyaml-dev
    libmicrohttpd-dev libcurl4-openssl-dev libsystemd-dev libbpf-dev clang
    nginx-light iproute2 iputils-ping procps curl jq python3 python3-yaml)

# To run every test.
test_packages=("${demo_packages[@]}" ccache git
    python3-scapy python3-pytest python3-pytest-timeout openssh-client openssh-server ansible-core ansible ansible-lint python3-apt sudo
    clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev tcpdump mandoc libcap2-bin util-linux ethtool bpftool
    nftables iptables strace systemd shellcheck libbenchmark-dev valgrind libdpdk-dev dpdk)

# For the stage vm. The guest's kernel and busybox are not here: tests/vm downloads these packages and does not install them.
vm_packages=("${test_packages[@]}" qemu-system-x86 kmod dpdk libdpdk-dev nftables)

# install_missing PACKAGE…: nothing happens, not even an index update, when all are there. Services that come with a
# package (nginx, sshd) are neither started now nor, if they are new, at the next boot.
install_missing() {
    local package missing=()
    for package in "$@"; do
        [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        echo "all $# packages are installed"
        return 0
    fi
    if ((EUID != 0)); then
        echo "missing packages, and only root can install them: apt-get install ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    local policy=/usr/sbin/policy-rc.d own_policy=
    if [[ ! -e $policy ]]; then
        own_policy=yes
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    fi
    local status=0
    {
        apt-get -o DPkg::Lock::Timeout=500 -qq update &&
            DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=500 -qq install -y --no-install-recommends \
                "${missing[@]}"
    } </dev/null || status=$?
    [[ -z $own_policy ]] || rm -f "$policy"
    if [[ " ${missing[*]} " == *" nginx-light "* ]] && command -v systemctl >/dev/null; then
        systemctl --quiet disable nginx 2>/dev/null || true # not there in a container
    fi
    return "$status"
}
