// What outlives a reboot: a copy of the state, and the files of persist/ that have it restored. Knows where these are;
// what is in the files is persist/'s business.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/judge/finding.hpp"
#include "serverprep/observed.hpp"
#include "serverprep/persist/init_system.hpp"
#include "serverprep/state.hpp"

namespace dsr::serverprep {

inline constexpr const char* kSavedStateFile = "/var/lib/serverprep/state.json";

struct Survival {
    std::string executable;  // absolute path of serverprep
    persist::Systemctl systemctl;
    std::string root = "/";
};

// Of this program and the running system. Nothing in another network namespace than the host's own, which no boot
// makes; `presumed`: this is the host's own where that cannot be told, as in the service that restores.
std::optional<Survival> survival_of_this_host(bool presumed);

// What is on record as to be restored; nothing if nothing is.
Result<std::optional<State>> saved_state(const std::string& root);

// Has all of the state restored at boot, or nothing if it has no VIPs. Returns the paths that changed.
Result<std::vector<std::string>> save_for_reboot(const Survival& survival, const State& state,
                                                 const Observed& observed);

// Has the service that guards what is prepared start now. Not under the lock of the state, for which it waits.
Result<void> start_guard(const Survival& survival);

// Whether what is prepared now would be there after a reboot. `wanted`: somebody asked for it, so that a flaw is an
// error.
std::vector<Finding> judge_survival(const Survival& survival, const State& state, const Observed& observed,
                                    const std::string& persist_command, bool wanted);

}  // namespace dsr::serverprep
