#include "serverprep/judge/judge.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

constexpr std::string_view kFindings[] = {
    "arp-announce",   "arp-ignore",     "decap-open",       "firewall",      "host-is-lb",
    "interface-down", "ip-forward",     "listener-address", "mss",           "mtu",
    "no-listener",    "no-route",       "not-persistent",   "return-via-lb", "rp-filter",
    "send-redirects", "tunnel-address", "tunnel-down",      "vip-missing",   "vip-on-interface",
    "vip-prefix"};

std::string_view link_of(const Step& step) {
    if (const auto* setting = std::get_if<SettingChange>(&step.change)) return setting->setting.where;
    if (const auto* address = std::get_if<AddressChange>(&step.change)) return address->link;
    if (const auto* tunnel = std::get_if<TunnelChange>(&step.change)) return tunnel->tunnel.name;
    if (const auto* clsact = std::get_if<ClsactChange>(&step.change)) return clsact->link;
    return std::get<FilterChange>(step.change).any().link;
}

}  // namespace

std::string_view to_string(Severity severity) {
    return severity == Severity::error ? "error" : "warning";
}

bool is_error(const Finding& finding) {
    return finding.severity == Severity::error;
}

std::span<const std::string_view> finding_ids() {
    return kFindings;
}

std::string Scene::fix_of(std::string_view id, const ServedVip& served, std::string_view link) const {
    std::string commands;
    for (const Step& step : steps) {
        if (step.mends != id || (!link.empty() && link_of(step) != link && link_of(step) != kAll)) continue;
        if (std::holds_alternative<FilterChange>(step.change))
            return fmt::format("{} --fix {}", prepare_command(served), id);
        if (!commands.empty()) commands += " && ";
        commands += command(step);
    }
    return commands;
}

bool Scene::mends(std::string_view id) const {
    return std::ranges::any_of(steps, [&](const Step& step) { return step.mends == id; });
}

std::string Scene::values(SettingName name, const std::string& link) const {
    return fmt::format("effective {} (all {}, {} {})", observed.effective(name, link), observed.value(name, kAll), link,
                       observed.value(name, link));
}

std::vector<Finding> judge(const Scene& scene) {
    std::vector<Finding> findings;
    judge_vips(scene, findings);
    judge_interfaces(scene, findings);
    judge_tunnels(scene, findings);
    judge_paths(scene, findings);
    judge_services(scene, findings);
    // What must be done first is said first.
    std::ranges::stable_partition(findings, &Finding::blocks);
    return findings;
}

}  // namespace dsr::serverprep
