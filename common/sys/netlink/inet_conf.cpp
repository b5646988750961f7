#include "common/sys/netlink/inet_conf.hpp"

#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "common/sys/netlink/message.hpp"

namespace dsr::netlink {

std::string_view name(InetConf setting) {
    switch (setting) {
        case InetConf::forwarding:
            return "forwarding";
        case InetConf::proxy_arp:
            return "proxy_arp";
        case InetConf::accept_redirects:
            return "accept_redirects";
        case InetConf::send_redirects:
            return "send_redirects";
        case InetConf::rp_filter:
            return "rp_filter";
        case InetConf::arp_announce:
            return "arp_announce";
        case InetConf::arp_ignore:
            return "arp_ignore";
        case InetConf::accept_local:
            return "accept_local";
    }
    return "unknown";
}

Result<std::uint32_t> inet_conf(Socket& socket, int link_index, InetConf setting) {
    const std::string what = fmt::format("read {} of link {}", name(setting), link_index);
    Message message(RTM_GETLINK, 0);
    ifinfomsg info{};
    info.ifi_index = link_index;
    message.header(info);
    std::optional<std::uint32_t> value;
    auto done = request(socket, message, what, [&](nlmsghdr* answer) {
        if (answer->nlmsg_type != RTM_NEWLINK) return;
        const Attributes per_family(Attributes(answer, sizeof(ifinfomsg)).bytes(IFLA_AF_SPEC));
        // An array of all settings; the one numbered 1 comes first.
        const auto settings = Attributes(per_family.bytes(AF_INET)).bytes(IFLA_INET_CONF);
        const std::size_t offset = (static_cast<std::size_t>(setting) - 1) * sizeof(std::uint32_t);
        if (offset + sizeof(std::uint32_t) > settings.size()) return;
        std::uint32_t read = 0;
        std::memcpy(&read, settings.data() + offset, sizeof read);
        value = read;
    });
    if (!done) return std::unexpected(done.error());
    if (!value) return fail(fmt::format("cannot {}: the kernel does not report it", what));
    return *value;
}

Result<void> set_inet_conf(Socket& socket, int link_index, InetConf setting, std::uint32_t value) {
    Message message(RTM_NEWLINK, 0);
    ifinfomsg info{};
    info.ifi_index = link_index;
    message.header(info);
    message.nest(IFLA_AF_SPEC, [&] {
        message.nest(AF_INET,
                     [&] { message.nest(IFLA_INET_CONF, [&] { message.put(static_cast<int>(setting), value); }); });
    });
    return request(socket, message, fmt::format("set {} of link {} to {}", name(setting), link_index, value));
}

}  // namespace dsr::netlink
