// Whether there are packet filter rules of nf_tables. Knows nothing of what they say, nor of the older iptables of the
// kernel ('iptables-legacy'), whose rules are not here; those of iptables-nft are.
#pragma once

#include <cstddef>
#include <optional>

#include "common/sys/error.hpp"

namespace dsr::netlink {

// How many tables exist in this process's network namespace, all families together; 0 when the kernel has no nf_tables.
// Nothing when this process may not ask: even reading needs CAP_NET_ADMIN. Asking makes the kernel load the module
// nf_tables if there is one, as 'nft list ruleset' does.
Result<std::optional<std::size_t>> nftables_tables();

}  // namespace dsr::netlink
