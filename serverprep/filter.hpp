// A small program of ours in the path of one link's packets (BPF, tc clsact): what it does and for whom. Pure values;
// kernel/bpf_filters.hpp puts them into the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "common/wire/address.hpp"

namespace dsr::serverprep {

enum class FilterRole : std::uint8_t {
    decapsulate,  // at ingress of an interface: takes off the outer header of IP-in-IP (RFC 2003)
    guard,        // at ingress of a tunnel device: lets pass only what is for a VIP
    clamp_mss,    // at egress: a SYN or SYN-ACK from a VIP advertises at most this MSS
};

std::string_view word_of(FilterRole role);  // "decapsulate", …

// At most one of each role on a link.
struct Filter {
    FilterRole role = FilterRole::decapsulate;
    std::string link;
    std::set<wire::Ipv4Address> vips;
    std::set<wire::Ipv4Address> addresses;  // decapsulate: outer destinations, this host's own addresses
    std::set<wire::Ipv4Prefix> sources;     // decapsulate: outer sources, the load balancers; empty: any
    std::uint16_t mss = 0;                  // clamp_mss: bytes, 88..65495

    friend bool operator==(const Filter&, const Filter&) = default;
};

struct FilterCounters {
    FilterRole role = FilterRole::decapsulate;
    std::string link;
    // Packets since the first install. decapsulate: decapsulated, outer_fragments, foreign_source, not_a_vip,
    // malformed, refused (the kernel could not shorten it; all these went on as they were), congestion_dropped; guard:
    // passed, dropped; clamp_mss: seen (SYNs of a VIP), clamped.
    std::map<std::string, std::uint64_t> values;
};

// Whether whoever is one of `wanted` may send; none in `present` is anybody.
bool covers(const std::set<wire::Ipv4Prefix>& present, const std::set<wire::Ipv4Prefix>& wanted);

// A link's place for filters, of tc(8).
struct Clsact {
    std::string link;
    std::size_t foreign_filters = 0;  // that are not ours, at ingress and egress

    friend bool operator==(const Clsact&, const Clsact&) = default;
};

}  // namespace dsr::serverprep
