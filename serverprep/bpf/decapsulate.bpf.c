// Takes the outer header off IP-in-IP (RFC 2003) that a load balancer sent to this host for one of its VIPs:
//
//   | link header | outer IPv4, 20 | inner IPv4 … |  ->  | link header | inner IPv4 … |
//
// What it does not take goes on as it came, to the kernel (which answers with protocol unreachable) or to a tunnel of
// somebody else; and what it took goes on to other people's filters. The TTL stays: the server is where the tunnel
// ends.
#include "filter.bpf.h"

#define ECN_MASK 3
#define ECN_ECT_1 1
#define ECN_ECT_0 2
#define ECN_CE 3

// This host's own, to which tunnels may lead.
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __be32);
    __type(value, __u8);
    __uint(max_entries, 1);
} addresses SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __type(key, struct dsr_source);
    __type(value, __u8);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_NO_PREALLOC);
} sources SEC(".maps");

static __always_inline int is_for_this_host(const struct iphdr* outer) {
    const __be32 address = outer->daddr;
    return outer->version == 4 && outer->protocol == IPPROTO_IPIP && bpf_map_lookup_elem(&addresses, &address) != 0;
}

static __always_inline int is_welcome(const struct iphdr* outer) {
    const struct dsr_source source = {.length = 32, .address = outer->saddr};
    return settings.any_source || bpf_map_lookup_elem(&sources, &source) != 0;
}

// A host must drop what came damaged (RFC 1122 section 3.2.1.2), and nobody else looks at this header.
static __always_inline int sums_up(const struct iphdr* header) {
    const __u16* word = (const void*)header;
    __u32 sum = 0;
#pragma unroll
    for (int i = 0; i < 10; ++i)
        sum += word[i];
    sum = (sum >> 16) + (sum & 0xffff);
    return (__u16)((sum >> 16) + sum) == 0xffff;
}

static __always_inline int is_whole(const struct __sk_buff* skb, const struct iphdr* outer) {
    const __u32 length = bpf_ntohs(outer->tot_len);
    if (skb->gso_size) return 1;  // its length field may be 0: longer than 65535 (BIG TCP)
    return length >= 2 * sizeof *outer && length <= skb->len - settings.link_header;
}

// RFC 6040 section 4.2, normal mode: what the inner header says after decapsulation, or -1: drop.
static __always_inline int combined_ecn(__u8 outer, __u8 inner) {
    if (inner == 0) return outer == ECN_CE ? -1 : 0;
    if (outer == ECN_CE || inner == ECN_CE) return ECN_CE;
    return outer == ECN_ECT_1 ? ECN_ECT_1 : inner;
}

// The sums of the whole packet that a card may have left in skb->csum stay right: field and checksum cancel out.
static __always_inline void set_tos(struct __sk_buff* skb, __be16 first_word, __u8 tos) {
    const __be16 changed = (first_word & bpf_htons(0xff00)) | bpf_htons(tos);
    const __u32 header = settings.link_header;
    bpf_l3_csum_replace(skb, header + __builtin_offsetof(struct iphdr, check), first_word, changed, 2);
    bpf_skb_store_bytes(skb, header + __builtin_offsetof(struct iphdr, tos), &tos, sizeof tos, 0);
}

// Of a packet to this host: why it is not taken, or DSR_DECAPSULATED and its inner header.
static __always_inline __u32 judge(struct __sk_buff* skb, const struct iphdr* outer, struct iphdr* inner) {
    if (!is_welcome(outer)) return DSR_FOREIGN_SOURCE;
    if (outer->ihl != 5 || !sums_up(outer)) return DSR_MALFORMED;
    if (outer->frag_off & bpf_htons(MORE_FRAGMENTS_OR_OFFSET)) return DSR_OUTER_FRAGMENTS;
    if (!is_whole(skb, outer)) return DSR_MALFORMED;
    if (!read_header(skb, settings.link_header + sizeof *outer, inner)) return DSR_MALFORMED;
    if (inner->version != 4 || inner->ihl < 5) return DSR_MALFORMED;
    return is_vip(inner->daddr) ? DSR_DECAPSULATED : DSR_NOT_A_VIP;
}

SEC("tc") int dsr_decap(struct __sk_buff* skb) {
    // A frame of a VLAN is for the VLAN's interface, where kernels before 6.2 leave the tag's number without the tag;
    // one for another host, seen in promiscuous mode, is for nobody here.
    if (skb->protocol != bpf_htons(ETH_P_IP) || (skb->vlan_present && (skb->vlan_tci & 0xfff)) ||
        skb->pkt_type == 3 /* PACKET_OTHERHOST */)
        return TC_ACT_UNSPEC;
    struct iphdr outer;
    if (!read_header(skb, settings.link_header, &outer) || !is_for_this_host(&outer)) return TC_ACT_UNSPEC;
    struct iphdr inner;
    const __u32 judged = judge(skb, &outer, &inner);
    if (judged != DSR_DECAPSULATED) {
        count(judged);
        return TC_ACT_UNSPEC;
    }
    const int ecn = combined_ecn(outer.tos & ECN_MASK, inner.tos & ECN_MASK);
    if (ecn < 0) {
        count(DSR_CONGESTION_DROPPED);
        return TC_ACT_SHOT;
    }
    // FIXED_GSO: else gso_size grows by the 20 bytes that go.
    if (bpf_skb_adjust_room(skb, -(int)sizeof outer, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO)) {
        count(DSR_REFUSED);
        return TC_ACT_UNSPEC;
    }
    bpf_set_hash_invalid(skb);  // it was of the outer addresses
    if (ecn != (inner.tos & ECN_MASK)) set_tos(skb, *(const __be16*)&inner, (inner.tos & ~ECN_MASK) | ecn);
    count(DSR_DECAPSULATED);
    return TC_ACT_UNSPEC;
}
