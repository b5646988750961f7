// Names that nft and iptables print where the kernel has numbers, for the fields that are judged.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "serverprep/firewall/model.hpp"

namespace dsr::serverprep::firewall {

// Numbers are NF_CT_STATE_BIT and friends of linux/netfilter/nf_conntrack_common.h.
inline constexpr std::uint64_t kCtInvalid = 1, kCtEstablished = 2, kCtRelated = 4, kCtNew = 8, kCtUntracked = 64;
inline constexpr std::uint64_t kCtStatusDnat = 1U << 5U;
inline constexpr std::uint64_t kTypeUnicast = 1, kTypeLocal = 2;  // RTN_UNICAST, RTN_LOCAL
inline constexpr std::uint64_t kTcpSyn = 2;

// A name of the field's vocabulary, an address, or a decimal number.
std::optional<std::uint64_t> number_of(Field field, std::string_view text);
std::optional<std::uint64_t> decimal(std::string_view text);

}  // namespace dsr::serverprep::firewall
