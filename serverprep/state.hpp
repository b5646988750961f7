// What serverprep remembers so that --remove can undo exactly: how settings were before, which VIPs still need them,
// and which addresses are its own. Pure; state_store.hpp keeps it on disk.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/desired.hpp"
#include "serverprep/observed.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {

struct RememberedSetting {
    int link_index = 0;  // a link of the same name that was made anew is another link; 0: belongs to none
    std::uint32_t before = 0;
    std::uint32_t written = 0;
    std::map<Setting, std::uint32_t> collateral;  // as it was before
    std::set<wire::Ipv4Address> needed_by;

    friend bool operator==(const RememberedSetting&, const RememberedSetting&) = default;
};

struct State {
    std::map<Setting, RememberedSetting> settings;
    std::set<wire::Ipv4Address> own_vips;  // that we put on lo

    [[nodiscard]] bool empty() const { return settings.empty() && own_vips.empty(); }
    // Every VIP that was prepared and not removed since, as far as it left a trace.
    [[nodiscard]] std::set<wire::Ipv4Address> vips() const;
    friend bool operator==(const State&, const State&) = default;
};

// The state to be on disk *before* the steps are done: it then covers every point at which they can break off.
State remember(State state, const Desired& desired, const Observed& observed, const std::vector<Step>& steps);

struct Undo {
    std::vector<Step> steps;  // in order; those with status kept are not to be done
    State after;              // to be on disk when they are done
};

// Takes back what only these VIPs need. A value that somebody else changed since is theirs: kept.
Undo undo(const State& state, const std::set<wire::Ipv4Address>& vips, const Observed& observed);

std::string to_json(const State& state, const std::string& boot_id);
// An empty state if the text is of another boot: the kernel forgot, so must we.
Result<State> state_from_json(const std::string& text, const std::string& boot_id);

}  // namespace dsr::serverprep
