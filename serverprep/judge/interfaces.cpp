// The interfaces with the server's own addresses: whether they are up, what they say by ARP, and redirects.
#include <fmt/format.h>

#include "serverprep/difference.hpp"
#include "serverprep/judge/judge.hpp"
#include "serverprep/meaning.hpp"

namespace dsr::serverprep {
namespace {

Finding finding(std::string id, Severity severity, std::string subject, std::string message, std::string fix) {
    return {.id = std::move(id),
            .severity = severity,
            .subject = std::move(subject),
            .message = std::move(message),
            .fix = std::move(fix),
            .blocks = false,
            .steps = {}};
}

// Down for a reason that only the user knows. Bringing it up brings back no route that went with it.
void judge_link(const Scene& scene, const std::string& name, std::vector<Finding>& findings) {
    const netlink::Link* link = scene.observed.inventory.link(name);
    if (link == nullptr || link->up) return;
    Finding down =
        finding("interface-down", Severity::error, name,
                "the interface is down, so that no packet reaches this host; its routes are gone with it, the "
                "default route perhaps as well",
                fmt::format("ip link set {} up", name));
    down.blocks = true;
    down.steps.push_back({SettingChange{{SettingName::link_up, name}, 0, 1, {}}, StepStatus::planned, false, {}});
    findings.push_back(std::move(down));
}

void judge_arp_ignore(const Scene& scene, const ServedVip& served, std::vector<Finding>& findings) {
    const std::string& name = served.interface;
    const bool scope_host = vips_have_scope_host(scene.desired, scene.observed);
    const ArpIgnore meaning = arp_ignore_meaning(scene.observed.effective(SettingName::arp_ignore, name), scope_host);
    if (meaning == ArpIgnore::hides) return;
    findings.push_back(finding(
        "arp-ignore", Severity::error, name,
        fmt::format("arp_ignore is {}: this host answers {}", scene.values(SettingName::arp_ignore, name),
                    meaning == ArpIgnore::leaks ? "ARP for a VIP on lo" : "no ARP at all, so that nobody finds it"),
        scene.fix_of("arp-ignore", served, name)));
}

void judge_arp_announce(const Scene& scene, const ServedVip& served, std::vector<Finding>& findings) {
    const std::string& name = served.interface;
    if (arp_announce_keeps_quiet(scene.observed.effective(SettingName::arp_announce, name))) return;
    findings.push_back(finding(
        "arp-announce", Severity::error, name,
        fmt::format("arp_announce is {}: ARP requests of this host carry the VIP, and others learn it from them",
                    scene.values(SettingName::arp_announce, name)),
        scene.fix_of("arp-announce", served, name)));
}

void judge_redirects(const Scene& scene, const ServedVip& served, std::vector<Finding>& findings) {
    const std::string& name = served.interface;
    const bool forwards = scene.observed.value(SettingName::forwarding, name) != 0;
    if (!forwards || scene.observed.effective(SettingName::send_redirects, name) == 0) return;
    findings.push_back(
        finding("send-redirects", Severity::warning, name,
                fmt::format("send_redirects is {} while packets are forwarded: this host would send ICMP redirects",
                            scene.values(SettingName::send_redirects, name)),
                scene.fix_of("send-redirects", served, name)));
}

}  // namespace

void judge_interfaces(const Scene& scene, std::vector<Finding>& findings) {
    std::set<std::string> judged;
    for (const ServedVip& served : scene.desired.vips) {
        if (!judged.insert(served.interface).second) continue;
        judge_link(scene, served.interface, findings);
        judge_arp_ignore(scene, served, findings);
        judge_arp_announce(scene, served, findings);
        judge_redirects(scene, served, findings);
    }
    if (scene.desired.ip_forward() && scene.observed.value(SettingName::ip_forward) == 0)
        findings.push_back(finding("ip-forward", Severity::warning, "host",
                                   "ip_forward is 0, where 1 is wanted (--no-ip-forward leaves it alone)",
                                   scene.fix_of("ip-forward", scene.desired.vips.front())));
}

}  // namespace dsr::serverprep
