// Decapsulates IP-in-IP (RFC 2003) at the ingress of eth0, with nothing of serverprep's. Drops nothing: what it does
// not understand goes on as it came.
//
//   | Ethernet | outer IPv4, 20 | inner IPv4 … |  ->  | Ethernet | inner IPv4 … |
//
// Outer fragments cannot be decapsulated, nobody here reassembles them: they are counted, and go on.
// Compiled with -DADDRESS= (this host's), -DBALANCERS=, -DBALANCERS_MASK= and -DVIPS= (a list), in host byte order.

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>

#define SECTION(name) __attribute__((section(name), used))

static long (*const skb_pull_data)(struct __sk_buff*, __u32 length) = (void*)BPF_FUNC_skb_pull_data;
static long (*const skb_adjust_room)(struct __sk_buff*, __s32 difference, __u32 mode,
                                     __u64 flags) = (void*)BPF_FUNC_skb_adjust_room;
static long (*const set_hash_invalid)(struct __sk_buff*) = (void*)BPF_FUNC_set_hash_invalid;

enum { kMoreFragmentsOrOffset = 0x3fff };

static const __u32 kVips[] = {VIPS};

// Global, so that they lie in the map .bss, where decap_program.py could read them by these names.
__u64 decapsulated;
__u64 fragments;

static int is_from_balancer_for_us(const struct iphdr* outer) {
    return outer->protocol == IPPROTO_IPIP && outer->version == 4 && outer->ihl == 5 &&
           __builtin_bswap32(outer->daddr) == ADDRESS &&
           (__builtin_bswap32(outer->saddr) & BALANCERS_MASK) == BALANCERS;
}

static int is_for_a_vip(const struct iphdr* inner) {
    for (unsigned i = 0; i < sizeof kVips / sizeof kVips[0]; ++i)
        if (__builtin_bswap32(inner->daddr) == kVips[i]) return inner->version == 4;
    return 0;
}

SECTION("tc") int decapsulate(struct __sk_buff* skb) {
    const __u32 both = ETH_HLEN + 2 * sizeof(struct iphdr);
    // A sender may leave all but the Ethernet header in pages; and an outer fragment may be shorter than both headers.
    skb_pull_data(skb, skb->len < both ? skb->len : both);
    const struct iphdr* outer = (void*)(long)skb->data + ETH_HLEN;
    const void* end = (void*)(long)skb->data_end;
    if (skb->protocol != __builtin_bswap16(ETH_P_IP) || (const void*)(outer + 1) > end) return TC_ACT_OK;
    if (!is_from_balancer_for_us(outer)) return TC_ACT_OK;
    if (__builtin_bswap16(outer->frag_off) & kMoreFragmentsOrOffset) {
        __sync_fetch_and_add(&fragments, 1);
        return TC_ACT_OK;
    }
    if ((const void*)(outer + 2) > end || !is_for_a_vip(outer + 1)) return TC_ACT_OK;
    // FIXED_GSO: else gso_size grows by the 20 bytes that go.
    if (skb_adjust_room(skb, -(int)sizeof *outer, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO) == 0) {
        set_hash_invalid(skb);  // it was of the outer addresses
        __sync_fetch_and_add(&decapsulated, 1);
    }
    return TC_ACT_OK;
}

SECTION("license") char licensed_as[] = "GPL";
