#include "verify/judge/remedy.hpp"

#include <fmt/format.h>

namespace dsr::verify {

std::string remedy(std::string_view finding, wire::Ipv4Address vip, std::optional<wire::Ipv4Address> server) {
    const std::string ip = wire::to_string(vip);
    const std::string host = server ? "on " + wire::to_string(*server) : std::string("on that server");
    if (finding == "vip-missing")
        return fmt::format("{} run: serverprep --vip {} (first see: serverprep --check --vip {})", host, ip, ip);
    if (finding == "no-listener")
        return fmt::format("{} start the service, listening on {} or on all addresses", host, ip);
    if (finding == "listener-address")
        return fmt::format("{} let the service listen on {} or on all addresses, not only on the server's own", host,
                           ip);
    if (finding == "firewall")
        return fmt::format("{} let the packet filter accept packets to {} (see: nft list ruleset)", host, ip);
    if (finding == "return-via-lb")
        return fmt::format(
            "{} route to the client through the network's router, not through the load balancer "
            "(see: ip route get CLIENT from {})",
            server ? host : std::string("on each server"), ip);
    if (finding == "lb-not-reached")
        return fmt::format(
            "start lb, or route {} to it: it is to answer ARP for {} on this segment, or be the router's "
            "next hop",
            ip, ip);
    if (finding == "not-forwarded")
        return "on the load balancer see lb's log and its counters, and run: lb check CONFIG";
    if (finding == kVipOnLb)
        return fmt::format(
            "on the load balancer: ip address delete {} dev DEV (DEV: ip address show to {}); or stop the "
            "proxy that answers there",
            ip, ip);
    if (finding == "duplicate-arp")
        return fmt::format("{} run: serverprep --vip {} if it is a server of the pool, else take {} away from it",
                           server ? host : std::string("on that host"), ip, ip);
    if (finding == "arp-announce") return fmt::format("{} run: serverprep --vip {} (it sets arp_announce 2)", host, ip);
    return {};
}

}  // namespace dsr::verify
