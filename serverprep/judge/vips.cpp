// Where the VIP is: on lo, on lo too widely, on an interface, nowhere, or on the load balancer.
#include <algorithm>

#include <fmt/format.h>

#include "serverprep/difference.hpp"
#include "serverprep/judge/judge.hpp"

namespace dsr::serverprep {
namespace {

// The link that lb makes to keep the kernel quiet about its VIPs (lb/control/tun_device.hpp).
constexpr const char* kLoadBalancerLink = "dsr-vip";

// The steps that take the address away, and those planned that prepare the VIP instead.
std::vector<Step> move_to_loopback(const Scene& scene, const netlink::Link& link, const netlink::Address& address) {
    std::vector<Step> steps;
    steps.push_back({AddressChange{link.name, address, false}, StepStatus::planned, false, {}});
    for (const Step& step : scene.steps) {
        const auto* change = std::get_if<AddressChange>(&step.change);
        if (change != nullptr && change->address.prefix.address == address.prefix.address) steps.push_back(step);
    }
    return steps;
}

bool is_load_balancer_for(const Scene& scene, wire::Ipv4Address vip) {
    const Inventory& inventory = scene.observed.inventory;
    return std::ranges::any_of(inventory.routes, [&](const netlink::Route& route) {
        const netlink::Link* link = inventory.link(route.link_index);
        return route.destination == wire::Ipv4Prefix{vip, 32} && link != nullptr && link->name == kLoadBalancerLink;
    });
}

void judge_vip(const Scene& scene, const ServedVip& served, std::vector<Finding>& findings) {
    const Inventory& inventory = scene.observed.inventory;
    const std::string subject = wire::to_string(served.vip);
    const std::string prepare = prepare_command(served);
    if (is_load_balancer_for(scene, served.vip))
        findings.push_back(
            {.id = "host-is-lb",
             .severity = Severity::error,
             .subject = subject,
             .message =
                 "lb runs on this host and forwards this VIP: a host that owns the VIP takes its packets itself, "
                 "and a reply from a local address is dropped on arrival at lb",
             .fix = "take this host out of the pool of the VIP, or run lb on another one",
             .blocks = true,
             .steps = {}});
    bool owned = false;
    for (const netlink::Address& address : inventory.addresses) {
        const netlink::Link* link = inventory.link(address.link_index);
        if (address.prefix.address != served.vip || link == nullptr) continue;
        owned = true;
        const std::string text = wire::to_string(address.prefix);
        const std::string fix = fmt::format("ip address delete {} dev {} && {}", text, link->name, prepare);
        if (link->loopback && address.prefix.length < 32)
            findings.push_back(
                {.id = "vip-prefix",
                 .severity = Severity::error,
                 .subject = subject,
                 .message =
                     fmt::format("{} on {} makes the whole prefix local: this host reaches none of its other addresses",
                                 text, link->name),
                 .fix = fix,
                 .blocks = true,
                 .steps = move_to_loopback(scene, *link, address)});
        if (!link->loopback && link->arp)
            findings.push_back(
                {.id = "vip-on-interface",
                 .severity = Severity::error,
                 .subject = subject,
                 .message = fmt::format(
                     "{} is on {}, so this host answers ARP for it and takes the VIP from the load balancer", text,
                     link->name),
                 .fix = fix,
                 .blocks = true,
                 .steps = move_to_loopback(scene, *link, address)});
    }
    if (!owned)
        findings.push_back({.id = "vip-missing",
                            .severity = Severity::error,
                            .subject = subject,
                            .message = "this host does not own the VIP: it drops packets for it, or routes them back",
                            .fix = prepare,
                            .blocks = false,
                            .steps = {}});
    else if (scene.observed.value(SettingName::link_up, kLoopback) == 0)
        findings.push_back({.id = "vip-missing",
                            .severity = Severity::error,
                            .subject = subject,
                            .message = "lo is down, so that no address on it counts: packets are dropped",
                            .fix = scene.fix_of("vip-missing", served, kLoopback),
                            .blocks = false,
                            .steps = {}});
}

}  // namespace

void judge_vips(const Scene& scene, std::vector<Finding>& findings) {
    for (const ServedVip& served : scene.desired.vips)
        judge_vip(scene, served, findings);
}

std::vector<Finding> judge_kept_vips(const std::set<wire::Ipv4Address>& vips,
                                     const std::set<wire::Ipv4Address>& own_vips, const Inventory& inventory) {
    std::vector<Finding> kept;
    for (const netlink::Address& address : inventory.addresses) {
        const wire::Ipv4Address vip = address.prefix.address;
        const netlink::Link* link = inventory.link(address.link_index);
        if (link == nullptr || !link->loopback || vip.is_loopback()) continue;
        if ((own_vips.contains(vip) && is_our_vip(address)) || (!vips.empty() && !vips.contains(vip))) continue;
        kept.push_back({.id = "vip-kept",
                        .severity = Severity::warning,
                        .subject = wire::to_string(vip),
                        .message = fmt::format("{} is on {}, but there is no record that serverprep put it there",
                                               wire::to_string(vip), link->name),
                        .fix = fmt::format("ip address delete {} dev {}", wire::to_string(address.prefix), link->name),
                        .blocks = false,
                        .steps = {}});
    }
    return kept;
}

}  // namespace dsr::serverprep
