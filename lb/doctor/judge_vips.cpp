// Nothing of this host may stand where the VIPs go.
#include <set>

#include "lb/control/vip_routes.hpp"
#include "lb/doctor/case.hpp"

namespace dsr::lb::doctor {
namespace {

using Vips = std::set<wire::Ipv4Address>;

void judge_address(const Case& host, const netlink::Address& address) {
    const std::string vip = wire::to_string(address.prefix.address);
    const std::string device = host.link_name(address.link_index);
    // With its network's prefix, it may be the address by which this host is reached: no command to paste for that.
    if (address.prefix.length < 32)
        host.out.error("vip-local", vip, "the VIP is this host's own address on '" + device + "'",
                       "choose another VIP");
    else
        host.out.error(
            "vip-local", vip,
            "the VIP is an address of this host (on '" + device + "'), so its kernel would answer in lb's place",
            "ip address delete " + wire::to_string(address.prefix) + " dev " + device);
}

}  // namespace

void judge_vips(const Case& host) {
    Vips vips;
    for (const auto& service : host.config.virtual_services)
        vips.insert(service.vip);
    Vips taken;
    for (const auto& address : host.seen.addresses) {
        if (!vips.contains(address.prefix.address)) continue;
        judge_address(host, address);
        taken.insert(address.prefix.address);
    }
    for (const auto& route : host.seen.routes) {
        const auto vip = route.destination.address;
        if (route.destination.length != 32 || !vips.contains(vip)) continue;
        if (host.link_name(route.link_index) == kVipDevice) continue;  // a running lb's own
        if (!taken.insert(vip).second) continue;
        host.out.error("vip-route", wire::to_string(vip),
                       "this host has a route to the VIP already, where lb's own goes",
                       "ip route delete " + wire::to_string(vip));
    }
    if (taken.empty() && !vips.empty())
        host.out.fine("VIPs", std::to_string(vips.size()) + ", none is an address of this host, none has a route");
}

}  // namespace dsr::lb::doctor
