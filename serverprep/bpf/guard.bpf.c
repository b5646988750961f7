// Behind a tunnel device that takes IP-in-IP from anybody: only what is for a VIP comes through.
#include "filter.bpf.h"

// Counted from where the kernel knows the network header to be, since what lies before it differs: kernels before 5.14
// leave the outer packet's link header in front of what comes out of an ipip device.
static __always_inline int read_destination(struct __sk_buff* skb, __be32* destination) {
    return bpf_skb_load_bytes_relative(skb, __builtin_offsetof(struct iphdr, daddr), destination, sizeof *destination,
                                       BPF_HDR_START_NET) == 0;
}

static __always_inline int is_for_a_vip(struct __sk_buff* skb) {
    __be32 destination;
    if (skb->protocol != bpf_htons(ETH_P_IP)) return 0;
    if (!read_destination(skb, &destination)) {
        // It lies in pages.
        if (bpf_skb_pull_data(skb, skb->len < 128 ? skb->len : 128) || !read_destination(skb, &destination)) return 0;
    }
    return is_vip(destination);
}

SEC("tc") int dsr_guard(struct __sk_buff* skb) {
    if (!is_for_a_vip(skb)) {
        count(DSR_DROPPED);
        return TC_ACT_SHOT;
    }
    count(DSR_PASSED);
    return TC_ACT_UNSPEC;
}
