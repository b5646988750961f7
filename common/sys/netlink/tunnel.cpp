#include "common/sys/netlink/tunnel.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netlink/msg.h>

#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/tunnel_message.hpp"

namespace dsr::netlink {
namespace {

constexpr std::string_view kKind = "ipip";

std::string text_of_end(wire::Ipv4Address end) {
    return end.is_unspecified() ? "any" : wire::to_string(end);
}

}  // namespace

Message message_to_add(const Tunnel& tunnel) {
    Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    ifinfomsg info{};
    info.ifi_flags = tunnel.up ? IFF_UP : 0;
    info.ifi_change = info.ifi_flags;
    message.header(info);
    message.put(IFLA_IFNAME, tunnel.name);
    message.nest(IFLA_LINKINFO, [&] {
        message.put(IFLA_INFO_KIND, std::string(kKind));
        message.nest(IFLA_INFO_DATA, [&] {
            // Without a protocol it would take MPLS in IPv4 as well.
            message.put(IFLA_IPTUN_PROTO, static_cast<std::uint8_t>(IPPROTO_IPIP));
            if (!tunnel.local.is_unspecified()) message.put(IFLA_IPTUN_LOCAL, tunnel.local);
            if (!tunnel.remote.is_unspecified()) message.put(IFLA_IPTUN_REMOTE, tunnel.remote);
        });
    });
    return message;
}

std::optional<Tunnel> read_tunnel(nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWLINK) return std::nullopt;
    const auto& info = *static_cast<const ifinfomsg*>(nlmsg_data(message));
    const Attributes attributes(message, sizeof info);
    const Attributes link_info(attributes.bytes(IFLA_LINKINFO));
    if (link_info.text(IFLA_INFO_KIND) != kKind) return std::nullopt;
    const Attributes data(link_info.bytes(IFLA_INFO_DATA));
    return Tunnel{.link_index = info.ifi_index,
                  .name = attributes.text(IFLA_IFNAME),
                  .local = data.ipv4(IFLA_IPTUN_LOCAL).value_or(wire::Ipv4Address{}),
                  .remote = data.ipv4(IFLA_IPTUN_REMOTE).value_or(wire::Ipv4Address{}),
                  .up = (info.ifi_flags & IFF_UP) != 0};
}

Result<std::vector<Tunnel>> tunnels(Socket& socket) {
    Message message(RTM_GETLINK, NLM_F_DUMP);
    message.header(ifinfomsg{});
    std::vector<Tunnel> found;
    auto done = dump(
        socket, message, "list the tunnels", [&] { found.clear(); },
        [&](nlmsghdr* answer) {
            if (auto tunnel = read_tunnel(answer)) found.push_back(std::move(*tunnel));
        });
    if (!done) return std::unexpected(done.error());
    std::ranges::sort(found, {}, &Tunnel::link_index);
    return found;
}

Result<int> add_tunnel(Socket& socket, const Tunnel& tunnel) {
    const std::string what = fmt::format("add ipip tunnel '{}' from {} to {}", tunnel.name, text_of_end(tunnel.local),
                                         text_of_end(tunnel.remote));
    // The kernel would make up a name for none, and a longer one it calls malformed.
    if (tunnel.name.empty() || tunnel.name.size() >= IFNAMSIZ)
        return fail(fmt::format("cannot {}: a name has 1 to {} characters", what, IFNAMSIZ - 1));
    if (auto done = request(socket, message_to_add(tunnel), what); !done) return std::unexpected(done.error());
    auto made = find_link(socket, tunnel.name);
    if (!made) return std::unexpected(made.error());
    if (!*made) return fail(fmt::format("cannot {}: it vanished at once", what));
    return (*made)->index;
}

}  // namespace dsr::netlink
