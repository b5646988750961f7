#include "common/sys/netlink/nftables.hpp"

#include <cerrno>

#include <fmt/format.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "common/sys/netlink/message.hpp"

namespace dsr::netlink {

Result<std::optional<std::size_t>> nftables_tables() {
    if (!kernel_has(Family::netfilter)) return 0;
    auto socket = Socket::open(Family::netfilter);
    if (!socket) return std::unexpected(socket.error());

    constexpr int kOfNftables = NFNL_SUBSYS_NFTABLES << 8;
    Message message(kOfNftables | NFT_MSG_GETTABLE, NLM_F_DUMP);
    nfgenmsg info{};
    info.nfgen_family = AF_UNSPEC;
    info.version = NFNETLINK_V0;
    message.header(info);
    std::size_t count = 0;
    const Outcome outcome = exchange_dump(
        *socket, message, [&] { count = 0; },
        [&](nlmsghdr* answer) { count += answer->nlmsg_type == (kOfNftables | NFT_MSG_NEWTABLE) ? 1 : 0; });
    if (outcome.error == EPERM) return std::nullopt;
    if (outcome.error == EINVAL) return 0;  // no such subsystem; the request itself is valid
    if (outcome.error != 0) return fail(fmt::format("cannot list the tables of nftables: {}", outcome.words));
    return count;
}

}  // namespace dsr::netlink
