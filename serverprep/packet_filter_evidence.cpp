// Asks the host's packet filter about requests, tunnel packets and replies of each VIP.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "serverprep/evidence.hpp"
#include "serverprep/firewall/ruleset.hpp"
#include "serverprep/layer3.hpp"

namespace dsr::serverprep {
namespace {

using firewall::FilteredPacket;
using firewall::FilterVerdict;

constexpr std::uint8_t kIpInIp = 4;

class Questions {
public:
    Questions(const firewall::Ruleset& ruleset, const Observed& observed, Evidence& evidence)
        : ruleset_(ruleset), inventory_(observed.inventory), evidence_(evidence) {}

    void ask(const ServedVip& served, const std::set<ServicePorts>& ports) {
        for (const std::string& link : arrival_links(served, inventory_))
            for (const ServicePorts& service : ports)
                request(served, link, service);
        if (served.tunnelled() && served.decap == DecapKind::ipip) tunnel(served);
        for (const std::string& link : reply_links(served, inventory_))
            for (const ServicePorts& service : ports)
                reply(served, link, service);
    }

private:
    // Of a service whose ports are not known, any port stands for all.
    static std::optional<std::uint16_t> port_of(const ServicePorts& service) {
        return service.first == 0 ? std::nullopt : std::optional(service.first);
    }

    static std::string text_of(const ServicePorts& service) {
        const char* protocol = service.protocol == netlink::kProtocolTcp ? "TCP" : "UDP";
        return service.first == 0 ? protocol : fmt::format("{} port {}", protocol, service.first);
    }

    void request(const ServedVip& served, const std::string& link, const ServicePorts& service) {
        FilteredPacket packet;
        packet.link = link;
        packet.destination = served.vip;
        packet.protocol = service.protocol;
        packet.destination_port = port_of(service);
        judge(served, packet, fmt::format("{} arriving on {}", text_of(service), link));
    }

    void reply(const ServedVip& served, const std::string& link, const ServicePorts& service) {
        FilteredPacket packet;
        packet.direction = FilteredPacket::Direction::leaving;
        packet.link = link;
        packet.source = served.vip;
        packet.protocol = service.protocol;
        packet.source_port = port_of(service);
        packet.established = true;
        judge(served, packet, fmt::format("replies from {} leaving by {}", text_of(service), link));
    }

    // A filter of ours takes the outer header off before the packet filter; a tunnel device does it after.
    void tunnel(const ServedVip& served) {
        for (const wire::Ipv4Prefix& source : served.load_balancers) {
            FilteredPacket packet;
            packet.link = served.interface;
            packet.source = source.address;
            packet.protocol = kIpInIp;
            judge(served, packet,
                  fmt::format("IP-in-IP from {} arriving on {}", source_text(source), served.interface));
        }
    }

    void judge(const ServedVip& served, const FilteredPacket& packet, std::string text) {
        const FilterVerdict verdict = ruleset_.judge(packet);
        if (verdict.kind == FilterVerdict::Kind::dropped) {
            const auto same = [&](const FilteredPath& other) {
                return other.vip == served.vip && other.rule == verdict.rule;
            };
            const auto known = std::ranges::find_if(evidence_.filtered, same);
            if (known == evidence_.filtered.end()) {
                evidence_.filtered.push_back({served.vip, std::move(text), verdict.rule, verdict.fix});
            } else if (known->fix.find(verdict.fix) == std::string::npos) {
                // A policy drops several services, and each is let in on its own.
                known->packet += ", " + text;
                known->fix += " && " + verdict.fix;
            }
        } else if (verdict.kind == FilterVerdict::Kind::unknown) {
            for (const std::string& remark : verdict.remarks)
                if (remarks_.insert(remark).second)
                    evidence_.not_looked_at.push_back("a packet filter rule: " + remark);
        }
    }

    const firewall::Ruleset& ruleset_;
    const Inventory& inventory_;
    Evidence& evidence_;
    std::set<std::string> remarks_;
};

}  // namespace

void ask_packet_filter(Kernel& kernel, const Desired& desired, const Observed& observed, Evidence& evidence) {
    const PacketFilterText text = kernel.packet_filter();
    for (const NotLooked& gap : text.not_looked)
        evidence.not_looked_at.push_back("packet filters: " + gap.reason);
    const auto ruleset =
        firewall::Ruleset::parse({text.nft_json, text.nft_listing, text.iptables_nft, text.iptables_legacy});
    if (!ruleset) {
        evidence.not_looked_at.push_back("packet filter: " + ruleset.error().message);
        return;
    }
    if (!ruleset->filters_anything()) return;
    Questions questions(*ruleset, observed, evidence);
    for (const ServedVip& served : desired.vips) {
        const auto ports = desired.ports.find(served.vip);
        questions.ask(
            served, ports == desired.ports.end() ? std::set{ServicePorts{netlink::kProtocolTcp, 0, 0}} : ports->second);
    }
}

}  // namespace dsr::serverprep
