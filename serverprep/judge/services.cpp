// What waits for the packets once they are here: packet filters and listening sockets.
#include <algorithm>

#include <fmt/format.h>

#include "serverprep/judge/judge.hpp"
#include "serverprep/refusal.hpp"

namespace dsr::serverprep {
namespace {

std::string text_of(const ServicePorts& ports) {
    const char* protocol = ports.protocol == netlink::kProtocolTcp ? "TCP" : "UDP";
    return ports.first == ports.last ? fmt::format("{} port {}", protocol, ports.first)
                                     : fmt::format("{} ports {} to {}", protocol, ports.first, ports.last);
}

std::string text_of(wire::Ipv4Address vip, const ServicePorts& ports) {
    return ports.first == ports.last ? fmt::format("{}:{}{}", wire::to_string(vip), ports.first,
                                                   ports.protocol == netlink::kProtocolTcp ? "" : "/udp")
                                     : fmt::format("{}:{}-{}{}", wire::to_string(vip), ports.first, ports.last,
                                                   ports.protocol == netlink::kProtocolTcp ? "" : "/udp");
}

class ListenerJudge {
public:
    ListenerJudge(const Scene& scene, std::vector<Finding>& findings)
        : scene_(scene), listeners_(*scene.evidence.listeners), findings_(findings) {}

    void judge(const ServedVip& served) {
        const auto ports = scene_.desired.ports.find(served.vip);
        if (ports == scene_.desired.ports.end()) return judge_any(served);
        for (const ServicePorts& range : ports->second)
            judge_ports(served, range);
    }

private:
    void judge_ports(const ServedVip& served, const ServicePorts& range) {
        std::string elsewhere;
        for (const netlink::Listener& listener : listeners_) {
            if (listener.protocol != range.protocol || listener.port < range.first || listener.port > range.last)
                continue;
            if (hears(listener, served)) return;
            const std::string address = wire::to_string(listener.address);
            if (elsewhere.find(address) == std::string::npos) elsewhere += (elsewhere.empty() ? "" : ", ") + address;
        }
        const std::string subject = text_of(served.vip, range);
        if (elsewhere.empty())
            add("no-listener", Severity::error, subject, fmt::format("nothing listens on {}", text_of(range)),
                fmt::format("start the service on {}, or take this server out of the pool (lb drain)", text_of(range)));
        else
            add("listener-address", Severity::error, subject,
                fmt::format("the service on {} listens on {} only: it gets nothing that is for the VIP", text_of(range),
                            elsewhere),
                fmt::format("have it listen on 0.0.0.0 or {}, and restart it", wire::to_string(served.vip)));
    }

    // Without ports all there is to say: every TCP service is bound to this host's own address.
    void judge_any(const ServedVip& served) {
        std::string own;
        const auto addresses = own_addresses(served.interface, scene_.observed.inventory, {});
        for (const netlink::Listener& listener : listeners_) {
            if (listener.protocol != netlink::kProtocolTcp) continue;
            if (hears(listener, served)) return;
            if (std::ranges::find(addresses, listener.address) != addresses.end())
                own +=
                    fmt::format("{}{}:{}", own.empty() ? "" : ", ", wire::to_string(listener.address), listener.port);
        }
        if (own.empty()) return;
        add("listener-address", Severity::warning, wire::to_string(served.vip),
            fmt::format("TCP services listen on {} only: they get nothing that is for the VIP", own),
            fmt::format("have the service of the VIP listen on 0.0.0.0 or {}, and restart it",
                        wire::to_string(served.vip)));
    }

    [[nodiscard]] bool hears(const netlink::Listener& listener, const ServedVip& served) const {
        const bool address = listener.address.is_unspecified() || listener.address == served.vip;
        const netlink::Link* link = scene_.observed.inventory.link(listener.link_index);
        return address && (listener.link_index == 0 || (link != nullptr && link->name == served.interface));
    }

    void add(std::string id, Severity severity, std::string subject, std::string message, std::string fix) {
        findings_.push_back(
            {std::move(id), severity, std::move(subject), std::move(message), std::move(fix), false, {}});
    }

    const Scene& scene_;
    const std::vector<netlink::Listener>& listeners_;
    std::vector<Finding>& findings_;
};

}  // namespace

void judge_services(const Scene& scene, std::vector<Finding>& findings) {
    for (const FilteredPath& filtered : scene.evidence.filtered)
        findings.push_back(
            {.id = "firewall",
             .severity = Severity::error,
             .subject = wire::to_string(filtered.vip),
             .message = fmt::format("a packet filter of this host drops {}: {}", filtered.packet, filtered.rule),
             .fix = filtered.fix,
             .blocks = false,
             .steps = {}});
    if (!scene.evidence.listeners) return;
    ListenerJudge judge(scene, findings);
    for (const ServedVip& served : scene.desired.vips)
        judge.judge(served);
}

}  // namespace dsr::serverprep
