#include "serverprep/finding.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "serverprep/difference.hpp"
#include "serverprep/meaning.hpp"

namespace dsr::serverprep {
namespace {

class Judge {
public:
    Judge(const Desired& desired, const Observed& observed, const std::vector<Step>& steps)
        : desired_(desired), observed_(observed), steps_(steps) {}

    std::vector<Finding> take() {
        judge_interface();
        for (wire::Ipv4Address vip : desired_.vips)
            judge_vip(vip);
        judge_arp_ignore();
        judge_arp_announce();
        judge_rp_filter();
        judge_forwarding();
        return std::move(findings_);
    }

private:
    void add(std::string id, Severity severity, std::string subject, std::string message, std::string fix,
             bool needs_user = false) {
        findings_.push_back(
            {std::move(id), severity, std::move(subject), std::move(message), std::move(fix), needs_user});
    }

    // The commands of the planned steps that concern this setting.
    [[nodiscard]] std::string fix_of(SettingName name) const {
        std::string commands;
        for (const Step& step : steps_) {
            const auto* change = std::get_if<SettingChange>(&step.change);
            if (change == nullptr || change->setting.name != name) continue;
            if (!commands.empty()) commands += " && ";
            commands += command(step);
        }
        return commands;
    }

    // "effective 0 (all 0, eth0 0)"
    [[nodiscard]] std::string values(SettingName name) const {
        return fmt::format("effective {} (all {}, {} {})", observed_.effective(name, desired_.interface),
                           observed_.value(name, kAll), desired_.interface, observed_.value(name, desired_.interface));
    }

    // Down for a reason that only the user knows. Bringing it up brings back no route that went with it.
    void judge_interface() {
        const netlink::Link* link = observed_.inventory.link(desired_.interface);
        if (link == nullptr || link->up) return;
        add("interface-down", Severity::error, desired_.interface,
            "the interface is down, so that no packet reaches this host; its routes are gone with it, the default "
            "route perhaps as well",
            fmt::format("ip link set {} up", desired_.interface), true);
    }

    void judge_vip(wire::Ipv4Address vip) {
        const std::string subject = wire::to_string(vip);
        const std::string prepare = fmt::format("serverprep --vip {} --interface {}{}", subject, desired_.interface,
                                                desired_.ip_forward ? "" : " --no-ip-forward");
        bool owned = false;
        for (const netlink::Address& address : observed_.inventory.addresses) {
            if (address.prefix.address != vip) continue;
            owned = true;
            const netlink::Link* link = observed_.inventory.link(address.link_index);
            if (link == nullptr) continue;
            const std::string text = wire::to_string(address.prefix);
            const std::string fix = fmt::format("ip address delete {} dev {} && {}", text, link->name, prepare);
            if (link->loopback && address.prefix.length < 32)
                add("vip-prefix", Severity::error, subject,
                    fmt::format("{} on {} makes the whole prefix local: this host reaches none of its other addresses",
                                text, link->name),
                    fix, true);
            if (!link->loopback && link->arp)
                add("vip-on-interface", Severity::error, subject,
                    fmt::format("{} is on {}, so this host answers ARP for it and takes the VIP from the load balancer",
                                text, link->name),
                    fix, true);
        }
        if (!owned)
            add("vip-missing", Severity::error, subject,
                "this host does not own the VIP: it drops packets for it, or routes them back", prepare);
        else if (observed_.value(SettingName::link_up, kLoopback) == 0)
            add("vip-missing", Severity::error, subject,
                "lo is down, so that no address on it counts: packets are dropped", fix_of(SettingName::link_up));
    }

    void judge_arp_ignore() {
        const bool scope_host = vips_have_scope_host(desired_, observed_);
        const std::string now = values(SettingName::arp_ignore);
        switch (arp_ignore_meaning(observed_.effective(SettingName::arp_ignore, desired_.interface), scope_host)) {
            case ArpIgnore::hides:
                return;
            case ArpIgnore::leaks:
                add("arp-ignore", Severity::error, desired_.interface,
                    fmt::format("arp_ignore is {}: this host answers ARP for a VIP on lo", now),
                    fix_of(SettingName::arp_ignore));
                return;
            case ArpIgnore::deaf:
                add("arp-ignore", Severity::error, desired_.interface,
                    fmt::format("arp_ignore is {}: this host answers no ARP at all, so that nobody finds it", now),
                    fix_of(SettingName::arp_ignore));
                return;
        }
    }

    void judge_arp_announce() {
        if (arp_announce_keeps_quiet(observed_.effective(SettingName::arp_announce, desired_.interface))) return;
        add("arp-announce", Severity::error, desired_.interface,
            fmt::format("arp_announce is {}: ARP requests of this host carry the VIP, and others learn it from them",
                        values(SettingName::arp_announce)),
            fix_of(SettingName::arp_announce));
    }

    // Strict drops what would be answered through another interface: certain only if the default route leaves there.
    void judge_rp_filter() {
        if (!rp_filter_strict(observed_.effective(SettingName::rp_filter, desired_.interface))) return;
        const bool default_elsewhere =
            std::ranges::any_of(observed_.inventory.routes, [&](const netlink::Route& route) {
                const netlink::Link* link = observed_.inventory.link(route.link_index);
                return route.destination.length == 0 && link != nullptr && link->name != desired_.interface;
            });
        add("rp-filter", default_elsewhere ? Severity::error : Severity::warning, desired_.interface,
            fmt::format(
                "rp_filter is {}: packets from clients whose route back leaves by another interface are dropped",
                values(SettingName::rp_filter)),
            fix_of(SettingName::rp_filter));
    }

    void judge_forwarding() {
        if (desired_.ip_forward && observed_.value(SettingName::ip_forward) == 0)
            add("ip-forward", Severity::warning, "host",
                "ip_forward is 0; asked was 1 (--no-ip-forward leaves it alone)", fix_of(SettingName::ip_forward));
        const bool forwards = observed_.value(SettingName::forwarding, desired_.interface) != 0;
        const bool redirects = observed_.effective(SettingName::send_redirects, desired_.interface) != 0;
        if (forwards && redirects)
            add("send-redirects", Severity::warning, desired_.interface,
                fmt::format("send_redirects is {} while packets are forwarded: this host would send ICMP redirects",
                            values(SettingName::send_redirects)),
                fix_of(SettingName::send_redirects));
    }

    const Desired& desired_;
    const Observed& observed_;
    const std::vector<Step>& steps_;
    std::vector<Finding> findings_;
};

}  // namespace

std::string_view to_string(Severity severity) {
    return severity == Severity::error ? "error" : "warning";
}

std::vector<Finding> judge_kept_vips(const std::set<wire::Ipv4Address>& vips,
                                     const std::set<wire::Ipv4Address>& own_vips, const Inventory& inventory) {
    std::vector<Finding> kept;
    for (const netlink::Address& address : inventory.addresses) {
        const wire::Ipv4Address vip = address.prefix.address;
        const netlink::Link* link = inventory.link(address.link_index);
        if (link == nullptr || !link->loopback || vip.is_loopback()) continue;
        if (own_vips.contains(vip) || (!vips.empty() && !vips.contains(vip))) continue;
        kept.push_back({"vip-kept", Severity::warning, wire::to_string(vip),
                        fmt::format("{} is on {}, but there is no record that serverprep put it there",
                                    wire::to_string(vip), link->name),
                        fmt::format("ip address delete {} dev {}", wire::to_string(address.prefix), link->name), true});
    }
    return kept;
}

std::vector<Finding> judge(const Desired& desired, const Observed& observed, const std::vector<Step>& steps) {
    return Judge(desired, observed, steps).take();
}

}  // namespace dsr::serverprep
