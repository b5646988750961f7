// What a filter's program in the kernel and serverprep agree on: settings, map keys, counters. C and C++ read it.
#pragma once

#include <linux/types.h>

// Goes up with every change below: a filter with another number was put there by another serverprep, and what its maps
// hold is not read.
#define DSR_FILTER_ABI 1

// In .rodata, which the kernel freezes before it verifies the program: tests on these cost nothing at run time.
struct dsr_filter_settings {
    __u32 abi;
    __u32 link_header;  // bytes in front of the IP header: 14 for Ethernet, 0 where there is none (tun, WireGuard)
    __u32 any_source;   // decapsulate: `sources` is empty because every sender is welcome
    __u32 mss;          // clamp_mss
};

// Key of the trie of outer sources.
struct dsr_source {
    __u32 length;  // of the prefix, bits
    __be32 address;
};

// Index into the array `counters`, which all filters have in full.
enum dsr_filter_counter {
    DSR_DECAPSULATED,
    DSR_OUTER_FRAGMENTS,  // nobody reassembles the outer packet before us
    DSR_FOREIGN_SOURCE,
    DSR_NOT_A_VIP,
    DSR_MALFORMED,
    DSR_CONGESTION_DROPPED,  // marked on the way, and the sender could not have been told (RFC 6040 section 4.2)
    DSR_REFUSED,             // the kernel would not shorten it
    DSR_PASSED,
    DSR_DROPPED,
    DSR_SEEN,
    DSR_CLAMPED,
    DSR_FILTER_COUNTERS,
};
