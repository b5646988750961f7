#include "common/sys/netlink/link.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include "common/sys/netlink/message.hpp"

namespace dsr::netlink {
namespace {

std::optional<Link> read(nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWLINK) return std::nullopt;
    const auto& info = *static_cast<const ifinfomsg*>(nlmsg_data(message));
    const Attributes attributes(message, sizeof info);
    Link link;
    link.index = info.ifi_index;
    link.name = attributes.text(IFLA_IFNAME);
    link.kind = Attributes(attributes.bytes(IFLA_LINKINFO)).text(IFLA_INFO_KIND);
    link.mac = attributes.mac(IFLA_ADDRESS).value_or(wire::MacAddress{});
    link.mtu = attributes.u32(IFLA_MTU).value_or(0);
    link.up = (info.ifi_flags & IFF_UP) != 0;
    link.running = (info.ifi_flags & IFF_RUNNING) != 0;
    link.arp = (info.ifi_flags & IFF_NOARP) == 0;
    link.loopback = (info.ifi_flags & IFF_LOOPBACK) != 0;
    return link;
}

// Changes only this flag; a message without attributes leaves all else alone.
Result<void> change_flag(Socket& socket, int index, unsigned flag, bool set, std::string_view what) {
    Message message(RTM_NEWLINK, 0);
    ifinfomsg info{};
    info.ifi_index = index;
    info.ifi_flags = set ? flag : 0U;
    info.ifi_change = flag;
    message.header(info);
    return request(socket, message, fmt::format("{} link {}", what, index));
}

}  // namespace

Result<std::vector<Link>> links(Socket& socket) {
    Message message(RTM_GETLINK, NLM_F_DUMP);
    message.header(ifinfomsg{});
    std::vector<Link> found;
    auto done = dump(
        socket, message, "list the links", [&] { found.clear(); },
        [&](nlmsghdr* answer) {
            if (auto link = read(answer)) found.push_back(std::move(*link));
        });
    if (!done) return std::unexpected(done.error());
    std::ranges::sort(found, {}, &Link::index);
    return found;
}

Result<std::optional<Link>> find_link(Socket& socket, std::string_view name) {
    // The kernel cuts no name short: it refuses a longer one as malformed, where the truth is that there is none.
    if (name.empty() || name.size() >= IFNAMSIZ) return std::nullopt;
    Message message(RTM_GETLINK, 0);
    message.header(ifinfomsg{});
    message.put(IFLA_IFNAME, std::string(name));
    std::optional<Link> found;
    const Outcome outcome = exchange(socket, message, [&](nlmsghdr* answer) { found = read(answer); });
    if (outcome.error == ENODEV) return std::nullopt;
    if (outcome.error != 0) return fail(fmt::format("cannot look up link '{}': {}", name, outcome.words));
    return found;
}

Result<void> set_link_up(Socket& socket, int index, bool up) {
    return change_flag(socket, index, IFF_UP, up, up ? "switch on" : "switch off");
}

Result<void> set_link_arp(Socket& socket, int index, bool arp) {
    return change_flag(socket, index, IFF_NOARP, !arp, arp ? "switch on ARP on" : "switch off ARP on");
}

Result<void> delete_link(Socket& socket, int index) {
    Message message(RTM_DELLINK, 0);
    ifinfomsg info{};
    info.ifi_index = index;
    message.header(info);
    return request(socket, message, fmt::format("delete link {}", index));
}

}  // namespace dsr::netlink
