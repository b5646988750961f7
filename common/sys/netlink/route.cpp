#include "common/sys/netlink/route.hpp"

#include <cerrno>
#include <cstring>
#include <span>

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "common/sys/netlink/message.hpp"

namespace dsr::netlink {
namespace {

std::uint32_t metric_of(const Attributes& attributes, int metric) {
    return Attributes(attributes.bytes(RTA_METRICS)).u32(metric).value_or(0);
}

// RTA_MULTIPATH is a sequence of rtnexthop, each followed by its own attributes and padded to four bytes.
void read_next_hops(std::span<const std::uint8_t> hops, const Route& common, std::vector<Route>& found) {
    while (hops.size() >= sizeof(rtnexthop)) {
        rtnexthop hop;
        std::memcpy(&hop, hops.data(), sizeof hop);
        if (hop.rtnh_len < sizeof hop || hop.rtnh_len > hops.size()) return;
        Route route = common;
        route.multipath = true;
        route.link_index = hop.rtnh_ifindex;
        route.gateway = Attributes(hops.subspan(sizeof hop, hop.rtnh_len - sizeof hop)).ipv4(RTA_GATEWAY);
        found.push_back(route);
        hops = hops.subspan(std::min<std::size_t>(hops.size(), (hop.rtnh_len + 3U) & ~std::size_t{3}));
    }
}

void read(nlmsghdr* message, std::vector<Route>& found) {
    if (message->nlmsg_type != RTM_NEWROUTE) return;
    const auto& info = *static_cast<const rtmsg*>(nlmsg_data(message));
    // Clones are cached exceptions (learned MTUs), not routes of the table.
    if (info.rtm_family != AF_INET || (info.rtm_flags & RTM_F_CLONED) != 0) return;
    const Attributes attributes(message, sizeof info);
    Route route;
    route.destination = {attributes.ipv4(RTA_DST).value_or(wire::Ipv4Address{}), info.rtm_dst_len};
    route.link_index = static_cast<int>(attributes.u32(RTA_OIF).value_or(0));
    route.gateway = attributes.ipv4(RTA_GATEWAY);
    route.preferred_source = attributes.ipv4(RTA_PREFSRC);
    route.type = info.rtm_type;
    route.scope = info.rtm_scope;
    route.protocol = info.rtm_protocol;
    route.table = attributes.u32(RTA_TABLE).value_or(info.rtm_table);
    route.metric = attributes.u32(RTA_PRIORITY).value_or(0);
    route.advmss = metric_of(attributes, RTAX_ADVMSS);
    if (const auto hops = attributes.bytes(RTA_MULTIPATH); !hops.empty())
        read_next_hops(hops, route, found);
    else
        found.push_back(route);
}

Message message_of(int type, int flags, const Route& route) {
    Message message(type, flags);
    rtmsg info{};
    info.rtm_family = AF_INET;
    info.rtm_dst_len = route.destination.length;
    info.rtm_table = route.table < 256 ? static_cast<std::uint8_t>(route.table) : std::uint8_t{RT_TABLE_UNSPEC};
    info.rtm_protocol = route.protocol;
    info.rtm_scope = route.scope;
    info.rtm_type = route.type;
    message.header(info);
    message.put(RTA_DST, route.destination.network());
    message.put(RTA_TABLE, route.table);
    if (route.link_index != 0) message.put(RTA_OIF, static_cast<std::uint32_t>(route.link_index));
    if (route.gateway) message.put(RTA_GATEWAY, *route.gateway);
    if (route.preferred_source) message.put(RTA_PREFSRC, *route.preferred_source);
    if (route.metric != 0) message.put(RTA_PRIORITY, route.metric);
    if (route.advmss != 0) message.nest(RTA_METRICS, [&] { message.put(RTAX_ADVMSS, route.advmss); });
    return message;
}

}  // namespace

Result<std::vector<Route>> routes(Socket& socket) {
    Message message(RTM_GETROUTE, NLM_F_DUMP);
    rtmsg info{};
    info.rtm_family = AF_INET;
    info.rtm_table = RT_TABLE_MAIN;
    message.header(info);
    std::vector<Route> found;
    const Outcome outcome =
        exchange_dump(socket, message, [&] { found.clear(); }, [&](nlmsghdr* answer) { read(answer, found); });
    // A namespace that never had a route has no table to hold them.
    if (outcome.error == ENOENT) return found;
    if (outcome.error != 0) return fail(fmt::format("cannot list the routes: {}", outcome.words));
    std::erase_if(found, [](const Route& route) { return route.table != kTableMain; });
    return found;
}

Result<void> add_route(Socket& socket, const Route& route) {
    return request(socket, message_of(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route),
                   fmt::format("add route {} through link {}", wire::to_string(route.destination), route.link_index));
}

Result<void> delete_route(Socket& socket, const Route& route) {
    return request(
        socket, message_of(RTM_DELROUTE, 0, route),
        fmt::format("delete route {} through link {}", wire::to_string(route.destination), route.link_index));
}

Result<std::optional<wire::Ipv4Address>> default_gateway(Socket& socket, int link_index) {
    const auto all = routes(socket);
    if (!all) return std::unexpected(all.error());
    const Route* best = nullptr;
    for (const Route& route : *all) {
        if (route.destination.length != 0 || route.link_index != link_index || !route.gateway) continue;
        if (best == nullptr || route.metric < best->metric) best = &route;
    }
    if (best == nullptr) return std::nullopt;
    return best->gateway;
}

RouteLookup route_lookup(Socket& socket, const RouteQuery& query) {
    Message message(RTM_GETROUTE, 0);
    rtmsg info{};
    info.rtm_family = AF_INET;
    info.rtm_dst_len = 32;
    info.rtm_src_len = query.source ? 32 : 0;
    message.header(info);
    message.put(RTA_DST, query.destination);
    if (query.source) message.put(RTA_SRC, *query.source);
    if (query.input_link_index) message.put(RTA_IIF, static_cast<std::uint32_t>(*query.input_link_index));
    if (query.mark != 0) message.put(RTA_MARK, query.mark);
    if (query.protocol != 0) message.put(RTA_IP_PROTO, query.protocol);
    if (query.source_port != 0) message.put(RTA_SPORT, wire::be16(query.source_port));
    if (query.destination_port != 0) message.put(RTA_DPORT, wire::be16(query.destination_port));

    RouteLookup lookup;
    Outcome outcome = exchange(socket, message, [&](nlmsghdr* answer) {
        if (answer->nlmsg_type != RTM_NEWROUTE) return;
        const auto& found = *static_cast<const rtmsg*>(nlmsg_data(answer));
        const Attributes attributes(answer, sizeof found);
        lookup.type = found.rtm_type;
        lookup.link_index = static_cast<int>(attributes.u32(RTA_OIF).value_or(0));
        lookup.gateway = attributes.ipv4(RTA_GATEWAY);
        lookup.preferred_source = attributes.ipv4(RTA_PREFSRC);
        lookup.mtu = metric_of(attributes, RTAX_MTU);
        lookup.advmss = metric_of(attributes, RTAX_ADVMSS);
    });
    lookup.error = outcome.error;
    lookup.words = std::move(outcome.words);
    return lookup;
}

}  // namespace dsr::netlink
