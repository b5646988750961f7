// IPv4 routes, and what the kernel would do with a packet that is not sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/wire/address.hpp"

namespace dsr::netlink {

// The routing table of ordinary routes, and the route types of rtnetlink(7) that matter to us.
inline constexpr std::uint32_t kTableMain = 254;
inline constexpr std::uint8_t kRouteUnicast = 1;
inline constexpr std::uint8_t kRouteLocal = 2;
inline constexpr std::uint8_t kProtocolStatic = 4;

struct Route {
    wire::Ipv4Prefix destination{wire::Ipv4Address{}, 0};
    int link_index = 0;  // 0: none, as for blackhole routes
    std::optional<wire::Ipv4Address> gateway;
    std::optional<wire::Ipv4Address> preferred_source;
    std::uint8_t type = kRouteUnicast;
    std::uint8_t scope = 0;  // as in address.hpp
    std::uint8_t protocol = kProtocolStatic;
    std::uint32_t table = kTableMain;
    std::uint32_t metric = 0;  // the kernel prefers the lowest
    bool multipath = false;    // one of several next hops; only ever read
    std::uint32_t advmss = 0;  // the MSS that TCP advertises to this destination, in bytes; 0: by the link's MTU

    friend bool operator==(const Route&, const Route&) = default;
};

// The main table, one entry for each next hop.
Result<std::vector<Route>> routes(Socket& socket);

// Need CAP_NET_ADMIN. Adding replaces the route with the same destination, table and metric.
Result<void> add_route(Socket& socket, const Route& route);
Result<void> delete_route(Socket& socket, const Route& route);

// The gateway of the preferred default route through this link; nothing if there is none, or none with an IPv4 gateway.
Result<std::optional<wire::Ipv4Address>> default_gateway(Socket& socket, int link_index);

// The kernel's verdict on a packet. With an input link it runs the checks of reception as well, rp_filter included.
struct RouteLookup {
    int error = 0;  // errno: EXDEV refused by rp_filter, ENETUNREACH no route, EINVAL martian source, …
    std::string words;
    std::uint8_t type = 0;
    int link_index = 0;  // where the packet would leave; the link of lo for local ones
    std::optional<wire::Ipv4Address> gateway;
    std::optional<wire::Ipv4Address> preferred_source;
    std::uint32_t mtu = 0;     // of the route, or learned for this destination; 0: that of the link
    std::uint32_t advmss = 0;  // as in Route
};

// `protocol` and ports matter only where a policy rule asks for them; then a query without them answers for other
// packets than the ones meant. The kernel takes TCP, UDP and ICMP.
struct RouteQuery {
    wire::Ipv4Address destination{};
    std::optional<wire::Ipv4Address> source{};
    std::optional<int> input_link_index{};
    std::uint32_t mark = 0;
    std::uint8_t protocol = 0;                            // of IP; 0 not said
    std::uint16_t source_port = 0, destination_port = 0;  // 0 not said
};

// An error of the query itself (no such link, no permission) is in RouteLookup::error too: the kernel tells them apart
// by number only.
RouteLookup route_lookup(Socket& socket, const RouteQuery& query);

}  // namespace dsr::netlink
