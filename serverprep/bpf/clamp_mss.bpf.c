// Lowers the MSS option (RFC 9293 section 3.7.1) in a SYN or SYN-ACK from a VIP, so that what the client sends still
// fits after the load balancer has put a header in front of it. Nothing else is touched; a SYN without the option means
// 536.
#include <linux/tcp.h>

#include "filter.bpf.h"

#define TCP_FLAGS_OFFSET 13
#define TCP_FLAG_BIT_SYN 0x02
#define MSS_OPTION 2
#define MSS_OPTION_SIZE 4
#define MAX_OPTIONS 40

#define FOUND 0x80000000

// Looks at the option at `at`: FOUND if it is the MSS, else where the next one is, or 0 when there is none.
// A function of its own, which the verifier looks at once: inlined, it would follow every combination of lengths.
__attribute__((noinline)) __u32 look_at_option(struct __sk_buff* skb, __u32 at, __u32 end) {
    __u8 option[2] = {0, 0};
    if (at + MSS_OPTION_SIZE > end || bpf_skb_load_bytes(skb, at, option, sizeof option)) return 0;
    if (option[0] == MSS_OPTION && option[1] == MSS_OPTION_SIZE) return FOUND;
    if (option[0] == 1 /* no operation */) return at + 1;
    return option[0] == 0 /* end of options */ || option[1] < 2 ? 0 : at + option[1];
}

// Where the MSS option stands, as an offset into the packet; 0 when there is none. `at` to `end` are the options.
static __always_inline __u32 find_mss(struct __sk_buff* skb, __u32 at, __u32 end) {
    // Unrolled: for who installs without CAP_PERFMON the verifier follows mispredicted branches, too, out of any loop's
    // bounds.
#pragma unroll
    for (int i = 0; i < MAX_OPTIONS; ++i) {
        const __u32 next = look_at_option(skb, at, end);
        if (next == FOUND) return at;
        if (next == 0) return 0;
        at = next;
    }
    return 0;
}

// The sum is of 16-bit words: a field that begins at an odd byte counts with its bytes swapped.
static __always_inline __u16 as_summed(__be16 value, __u32 offset) {
    return offset & 1 ? __builtin_bswap16(value) : value;
}

static __always_inline int lower_mss(struct __sk_buff* skb, __u32 tcp, __u32 option) {
    const __u32 field = option + 2;
    const __be16 lower = bpf_htons(settings.mss);
    __be16 mss;
    if (bpf_skb_load_bytes(skb, field, &mss, sizeof mss) || bpf_ntohs(mss) <= settings.mss) return 0;
    // Of an unfinished checksum, which does not cover the options yet, the kernel leaves the field alone.
    if (bpf_l4_csum_replace(skb, tcp + __builtin_offsetof(struct tcphdr, check), as_summed(mss, field - tcp),
                            as_summed(lower, field - tcp), sizeof mss))
        return 0;
    return bpf_skb_store_bytes(skb, field, &lower, sizeof lower, 0) == 0;
}

SEC("tc") int dsr_clamp_mss(struct __sk_buff* skb) {
    if (skb->protocol != bpf_htons(ETH_P_IP)) return TC_ACT_UNSPEC;
    struct iphdr ip;
    if (!read_header(skb, settings.link_header, &ip) || ip.version != 4 || ip.protocol != IPPROTO_TCP || ip.ihl < 5 ||
        (ip.frag_off & bpf_htons(MORE_FRAGMENTS_OR_OFFSET)))
        return TC_ACT_UNSPEC;
    const __u32 tcp = settings.link_header + ip.ihl * 4;
    __u8 bytes[2];  // data offset, flags
    if (bpf_skb_load_bytes(skb, tcp + TCP_FLAGS_OFFSET - 1, bytes, sizeof bytes) || !(bytes[1] & TCP_FLAG_BIT_SYN) ||
        !is_vip(ip.saddr))
        return TC_ACT_UNSPEC;
    count(DSR_SEEN);
    const __u32 option = find_mss(skb, tcp + sizeof(struct tcphdr), tcp + (bytes[0] >> 4) * 4);
    if (option && lower_mss(skb, tcp, option)) count(DSR_CLAMPED);
    return TC_ACT_UNSPEC;
}
