#include "common/sys/netlink/neighbor.hpp"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "common/sys/netlink/message.hpp"

namespace dsr::netlink {
namespace {

std::optional<Neighbor> read(nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWNEIGH) return std::nullopt;
    const auto& info = *static_cast<const ndmsg*>(nlmsg_data(message));
    if (info.ndm_family != AF_INET) return std::nullopt;
    const Attributes attributes(message, sizeof info);
    const auto address = attributes.ipv4(NDA_DST);
    if (!address) return std::nullopt;
    return Neighbor{info.ndm_ifindex, *address, attributes.mac(NDA_LLADDR), info.ndm_state};
}

}  // namespace

Result<std::vector<Neighbor>> neighbors(Socket& socket, int link_index) {
    Message message(RTM_GETNEIGH, NLM_F_DUMP);
    ndmsg info{};
    info.ndm_family = AF_INET;
    message.header(info);
    std::vector<Neighbor> found;
    auto done = dump(
        socket, message, "list the neighbours", [&] { found.clear(); },
        [&](nlmsghdr* answer) {
            if (auto neighbor = read(answer); neighbor && neighbor->link_index == link_index)
                found.push_back(*neighbor);
        });
    if (!done) return std::unexpected(done.error());
    return found;
}

}  // namespace dsr::netlink
