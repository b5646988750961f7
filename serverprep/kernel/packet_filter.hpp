// The host's packet filter as its own programs print it: nft, iptables-nft-save and iptables-legacy-save, of the
// network namespace this runs in. Says what could not be looked at. Judges nothing: see serverprep/firewall.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dsr::serverprep {

enum class FilterSource : std::uint8_t { nft, iptables_nft, iptables_legacy };

struct NotLooked {
    FilterSource source = FilterSource::nft;
    bool not_installed = false;  // no program to ask: of no consequence if the kernel has no such tables
    std::string reason;          // one sentence
};

struct PacketFilterText {
    std::string nft_json;  // empty: see not_looked
    std::string nft_listing;
    std::string iptables_nft;     // empty also if no rule of nft's needs it
    std::string iptables_legacy;  // empty also if the kernel has no legacy tables
    std::vector<NotLooked> not_looked;
};

// Takes some 10 ms; nothing is changed, and no kernel module loaded for legacy tables.
PacketFilterText read_packet_filter();

}  // namespace dsr::serverprep
