// What the kernel says it would do with packets: whether requests pass its reverse path filter, and where replies go.
#include <algorithm>
#include <cerrno>
#include <set>

#include <fmt/format.h>

#include "serverprep/judge/judge.hpp"
#include "serverprep/layer3.hpp"
#include "serverprep/meaning.hpp"

namespace dsr::serverprep {
namespace {

// Where packets for this VIP come in: the interface, or the tunnels that end on it.
std::set<std::string> entrances(const ServedVip& served, const Inventory& inventory) {
    std::set<std::string> names;
    if (!served.tunnelled() || served.decap == DecapKind::bpf) names.insert(served.interface);
    for (const netlink::Tunnel& tunnel : inventory.tunnels)
        if (serves(tunnel, served)) names.insert(tunnel.name);
    return names;
}

bool default_leaves_elsewhere(const Inventory& inventory, const std::string& name) {
    return std::ranges::any_of(inventory.routes, [&](const netlink::Route& route) {
        const netlink::Link* link = inventory.link(route.link_index);
        return route.destination.length == 0 && link != nullptr && link->name != name;
    });
}

// A filter that does nothing here is a warning: it would, with another route or another client.
void judge_strict_filter(const Scene& scene, const ServedVip& served, const std::string& name,
                         std::vector<Finding>& findings) {
    if (!rp_filter_strict(scene.observed.effective(SettingName::rp_filter, name))) return;
    const auto refused = std::ranges::find_if(scene.evidence.arrivals, [&](const PathLookup& arrival) {
        return arrival.link == name && arrival.found.error == EXDEV;
    });
    const bool drops = refused != scene.evidence.arrivals.end();
    std::string message =
        fmt::format("rp_filter is {}: packets from clients whose route back leaves by another interface are dropped",
                    scene.values(SettingName::rp_filter, name));
    if (drops) message += fmt::format("; from {}, for example", wire::to_string(refused->client));
    const bool elsewhere = default_leaves_elsewhere(scene.observed.inventory, name);
    findings.push_back({.id = "rp-filter",
                        .severity = drops || elsewhere ? Severity::error : Severity::warning,
                        .subject = name,
                        .message = std::move(message),
                        .fix = scene.fix_of("rp-filter", served, name),
                        .blocks = false,
                        .steps = {}});
}

bool is_load_balancer(const Scene& scene, wire::Ipv4Address address) {
    return scene.desired.load_balancers.contains({address, 32});
}

std::string other_way(const Scene& scene, const PathLookup& reply) {
    const Inventory& inventory = scene.observed.inventory;
    const netlink::Link* link = inventory.link(reply.found.link_index);
    const std::string device = link == nullptr ? "" : " dev " + link->name;
    const std::string gateway = wire::to_string(*reply.found.gateway);
    for (const netlink::Route& route : inventory.routes)
        if (route.destination.length == 0 && route.gateway && !is_load_balancer(scene, *route.gateway))
            return fmt::format("ip route delete default via {}{}", gateway, device);
    return fmt::format("ip route replace default via ROUTER{}, where ROUTER is the network's router and not {}", device,
                       gateway);
}

void judge_replies(const Scene& scene, std::vector<Finding>& findings) {
    std::set<wire::Ipv4Address> told;
    for (const PathLookup& reply : scene.evidence.departures) {
        const std::string client = wire::to_string(reply.client);
        if (reply.found.error != 0) {
            if (!told.insert(reply.client).second) continue;
            findings.push_back(
                {.id = "no-route",
                 .severity = Severity::error,
                 .subject = client,
                 .message = fmt::format("there is no route for replies to client {}: {}", client, reply.found.words),
                 .fix = "ip route add default via ROUTER, where ROUTER is the network's router",
                 .blocks = false,
                 .steps = {}});
        } else if (reply.found.gateway && is_load_balancer(scene, *reply.found.gateway)) {
            if (!told.insert(*reply.found.gateway).second) continue;
            const std::string gateway = wire::to_string(*reply.found.gateway);
            findings.push_back({.id = "return-via-lb",
                                .severity = Severity::error,
                                .subject = gateway,
                                .message = fmt::format(
                                    "replies to {} leave through load balancer {}: it drops them, or carries all that "
                                    "DSR was to spare it",
                                    client, gateway),
                                .fix = other_way(scene, reply),
                                .blocks = false,
                                .steps = {}});
        }
    }
}

}  // namespace

void judge_paths(const Scene& scene, std::vector<Finding>& findings) {
    std::set<std::string> judged;
    for (const ServedVip& served : scene.desired.vips)
        for (const std::string& name : entrances(served, scene.observed.inventory))
            if (judged.insert(name).second) judge_strict_filter(scene, served, name, findings);
    judge_replies(scene, findings);
}

}  // namespace dsr::serverprep
