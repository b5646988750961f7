// Names what is wrong on this host by the ids of the fault matrix, each with a command that mends it. Pure: judges what
// was observed and the steps that were planned from it.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serverprep/desired.hpp"
#include "serverprep/observed.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {

enum class Severity : std::uint8_t {
    error,    // breaks DSR
    warning,  // does not, or not here
};

struct Finding {
    std::string id;
    Severity severity = Severity::error;
    std::string subject;  // the VIP or the interface
    std::string message;
    std::string fix;
    // serverprep leaves the fix to the user: it takes away what it did not make, or brings up what is down.
    bool needs_user = false;
};

std::string_view to_string(Severity severity);

std::vector<Finding> judge(const Desired& desired, const Observed& observed, const std::vector<Step>& steps);

// The VIPs of `vips` on lo that --remove leaves there, because it has no record of putting them there (`own_vips`).
// Without any VIP, every address of lo beyond 127.0.0.0/8 may be one.
std::vector<Finding> judge_kept_vips(const std::set<wire::Ipv4Address>& vips,
                                     const std::set<wire::Ipv4Address>& own_vips, const Inventory& inventory);

}  // namespace dsr::serverprep
