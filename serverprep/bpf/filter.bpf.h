// What the three programs share: settings, VIPs, counters, reading a header.
#pragma once

// libbpf's headers use the kernel's types and do not include them.
// clang-format off
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#include "filter_abi.h"

#define MORE_FRAGMENTS_OR_OFFSET 0x3fff

const volatile struct dsr_filter_settings settings = {.abi = DSR_FILTER_ABI, .link_header = ETH_HLEN};

// Sized by serverprep to what is in them.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __be32);
    __type(value, __u8);
    __uint(max_entries, 1);
} vips SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, __u64);
    __uint(max_entries, DSR_FILTER_COUNTERS);
} counters SEC(".maps");

static __always_inline void count(__u32 counter) {
    __u64* value = bpf_map_lookup_elem(&counters, &counter);
    if (value) ++*value;
}

static __always_inline int is_vip(__be32 address) {
    return bpf_map_lookup_elem(&vips, &address) != 0;
}

// Copies the IPv4 header at `offset`; 0 when the packet is shorter. A copy: a driver may leave all but the link header
// in pages, and arithmetic on pointers into packets would take CAP_PERFMON as well to install.
static __always_inline int read_header(struct __sk_buff* skb, __u32 offset, struct iphdr* header) {
    return bpf_skb_load_bytes(skb, offset, header, sizeof *header) == 0;
}

char licensed_as[] SEC("license") = "GPL";
