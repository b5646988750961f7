// Names what is wrong on this host by the ids of the fault matrix. Pure: judges what was observed, the steps that were
// planned from it, and the evidence that was asked for beside.
#pragma once

#include <set>
#include <vector>

#include "serverprep/desired.hpp"
#include "serverprep/evidence.hpp"
#include "serverprep/judge/finding.hpp"
#include "serverprep/observed.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {

// One file here for each group of findings; all see the same scene and add to the same list.
struct Scene {
    const Desired& desired;
    const Observed& observed;
    const std::vector<Step>& steps;
    const Evidence& evidence;

    // The commands of the planned steps that mend this id and, if it is given, concern this link; for what no command
    // does, the one of serverprep for `served`.
    [[nodiscard]] std::string fix_of(std::string_view id, const ServedVip& served, std::string_view link = {}) const;
    [[nodiscard]] bool mends(std::string_view id) const;
    // "effective 0 (all 0, eth0 0)"
    [[nodiscard]] std::string values(SettingName name, const std::string& link) const;
};

std::vector<Finding> judge(const Scene& scene);

void judge_interfaces(const Scene& scene, std::vector<Finding>& findings);  // link state, ARP, redirects
void judge_vips(const Scene& scene, std::vector<Finding>& findings);        // where the VIP is
void judge_tunnels(const Scene& scene, std::vector<Finding>& findings);     // decapsulation, its limits, MSS, MTU
void judge_paths(const Scene& scene, std::vector<Finding>& findings);       // rp_filter, the way of replies
void judge_services(const Scene& scene, std::vector<Finding>& findings);    // listeners, packet filters

// The VIPs of `vips` on lo that --remove leaves there, because it has no record of putting them there (`own_vips`).
// Without any VIP, every address of lo beyond 127.0.0.0/8 may be one.
std::vector<Finding> judge_kept_vips(const std::set<wire::Ipv4Address>& vips,
                                     const std::set<wire::Ipv4Address>& own_vips, const Inventory& inventory);

}  // namespace dsr::serverprep
