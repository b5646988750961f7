#include "common/sys/netlink/sockets.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fmt/format.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "common/sys/netlink/message.hpp"

namespace dsr::netlink {
namespace {

static_assert(kProtocolTcp == IPPROTO_TCP && kProtocolUdp == IPPROTO_UDP);

wire::Ipv4Address address_in(std::uint32_t network_order) {
    return wire::Ipv4Address(wire::be32::from_raw(network_order));
}

// What of IPv4 an IPv6 socket takes: with [::] all, unless it is for IPv6 only; with a mapped address that one.
std::optional<wire::Ipv4Address> ipv4_of(const inet_diag_msg& info, const Attributes& attributes) {
    if (info.idiag_family == AF_INET) return address_in(info.id.idiag_src[0]);
    in6_addr bound;
    static_assert(sizeof bound == sizeof info.id.idiag_src);
    std::memcpy(&bound, info.id.idiag_src, sizeof bound);
    if (IN6_IS_ADDR_V4MAPPED(&bound)) return address_in(info.id.idiag_src[3]);
    if (!IN6_IS_ADDR_UNSPECIFIED(&bound) || attributes.u8(INET_DIAG_SKV6ONLY).value_or(0) != 0) return std::nullopt;
    return wire::Ipv4Address{};
}

std::optional<Listener> read(nlmsghdr* message, std::uint8_t protocol) {
    if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
    const auto& info = *static_cast<const inet_diag_msg*>(nlmsg_data(message));
    const auto address = ipv4_of(info, Attributes(message, sizeof info));
    if (!address) return std::nullopt;
    return Listener{.protocol = protocol,
                    .address = *address,
                    .port = wire::be16::from_raw(info.id.idiag_sport).host(),
                    .link_index = static_cast<int>(info.id.idiag_if)};
}

Outcome append(Socket& socket, std::uint8_t family, std::uint8_t protocol, std::vector<Listener>& found) {
    Message message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
    inet_diag_req_v2 query{};
    query.sdiag_family = family;
    query.sdiag_protocol = protocol;
    // A UDP socket that is not connected is in the state TCP calls closed.
    query.idiag_states = 1U << (protocol == kProtocolTcp ? TCP_LISTEN : TCP_CLOSE);
    message.header(query);
    const auto before = static_cast<std::ptrdiff_t>(found.size());
    return exchange_dump(
        socket, message, [&] { found.erase(found.begin() + before, found.end()); },
        [&](nlmsghdr* answer) {
            if (auto listener = read(answer, protocol)) found.push_back(*listener);
        });
}

}  // namespace

Result<std::vector<Listener>> listeners(Socket& socket) {
    std::vector<Listener> found;
    for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
        const char* name = protocol == kProtocolTcp ? "TCP" : "UDP";
        Outcome outcome = append(socket, AF_INET, protocol, found);
        if (outcome.error == ENOENT)
            return fail(fmt::format("cannot list the {} sockets: the kernel has no module {}_diag", name,
                                    protocol == kProtocolTcp ? "tcp" : "udp"));
        // A kernel built without IPv6 does not know the family.
        if (outcome.error == 0) outcome = append(socket, AF_INET6, protocol, found);
        if (outcome.error != 0 && outcome.error != ENOENT)
            return fail(fmt::format("cannot list the {} sockets: {}", name, outcome.words));
    }
    std::ranges::sort(found);
    const auto repeated = std::ranges::unique(found);
    found.erase(repeated.begin(), repeated.end());
    return found;
}

}  // namespace dsr::netlink
