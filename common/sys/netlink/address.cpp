#include "common/sys/netlink/address.hpp"

#include <optional>

#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "common/sys/netlink/message.hpp"

namespace dsr::netlink {
namespace {

std::optional<Address> read(nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWADDR) return std::nullopt;
    const auto& info = *static_cast<const ifaddrmsg*>(nlmsg_data(message));
    if (info.ifa_family != AF_INET) return std::nullopt;
    const Attributes attributes(message, sizeof info);
    // On a point-to-point link IFA_ADDRESS is the peer; the address of this host is IFA_LOCAL.
    auto local = attributes.ipv4(IFA_LOCAL);
    if (!local) local = attributes.ipv4(IFA_ADDRESS);
    if (!local) return std::nullopt;
    Address address;
    address.link_index = static_cast<int>(info.ifa_index);
    address.prefix = {*local, info.ifa_prefixlen};
    address.label = attributes.text(IFA_LABEL);
    address.scope = info.ifa_scope;
    address.protocol = attributes.u8(IFA_PROTO).value_or(0);
    return address;
}

ifaddrmsg head(const Address& address) {
    ifaddrmsg info{};
    info.ifa_family = AF_INET;
    info.ifa_prefixlen = address.prefix.length;
    info.ifa_scope = address.scope;
    info.ifa_index = static_cast<std::uint32_t>(address.link_index);
    return info;
}

}  // namespace

Result<std::vector<Address>> addresses(Socket& socket) {
    Message message(RTM_GETADDR, NLM_F_DUMP);
    ifaddrmsg info{};
    info.ifa_family = AF_INET;
    message.header(info);
    std::vector<Address> found;
    auto done = dump(
        socket, message, "list the addresses", [&] { found.clear(); },
        [&](nlmsghdr* answer) {
            if (auto address = read(answer)) found.push_back(std::move(*address));
        });
    if (!done) return std::unexpected(done.error());
    return found;
}

Result<void> add_address(Socket& socket, const Address& address) {
    const std::string what =
        fmt::format("add address {} to link {}", wire::to_string(address.prefix), address.link_index);
    if (address.label.size() >= IFNAMSIZ)
        return fail(
            fmt::format("cannot {}: label '{}' is longer than {} characters", what, address.label, IFNAMSIZ - 1));
    Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    message.header(head(address));
    message.put(IFA_LOCAL, address.prefix.address);
    message.put(IFA_ADDRESS, address.prefix.address);
    if (!address.label.empty()) message.put(IFA_LABEL, address.label);
    if (address.protocol != 0) message.put(IFA_PROTO, address.protocol);
    return request(socket, message, what);
}

Result<void> delete_address(Socket& socket, const Address& address) {
    Message message(RTM_DELADDR, 0);
    message.header(head(address));
    message.put(IFA_LOCAL, address.prefix.address);
    message.put(IFA_ADDRESS, address.prefix.address);
    return request(socket, message,
                   fmt::format("delete address {} from link {}", wire::to_string(address.prefix), address.link_index));
}

}  // namespace dsr::netlink
