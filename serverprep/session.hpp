// One run of serverprep from request to report: observe, compare, judge, remember, apply, read back. The order of these
// is all it knows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/desired.hpp"
#include "serverprep/judge/finding.hpp"
#include "serverprep/kernel/kernel.hpp"
#include "serverprep/state.hpp"
#include "serverprep/step.hpp"
#include "serverprep/survival.hpp"

namespace dsr::serverprep {

enum class Action : std::uint8_t {
    apply,
    check,
    dry_run,
    fix,  // apply what mends one finding, and that alone
};

// Values are the exit codes of the program.
enum class Exit : std::uint8_t { ok = 0, failed = 1, usage = 2, different = 3 };

struct Report {
    Exit exit = Exit::ok;
    std::string
        interface;  // "eth0, eth1" when VIPs are on several; empty with --remove and when it could not be chosen
    std::vector<wire::Ipv4Address> vips;
    std::vector<Step> steps;
    std::vector<Finding> findings;           // as the host is now
    std::vector<std::string> not_looked_at;  // sentences: what was not judged, and why
    std::vector<FilterCounters> counters;    // --check: what our filters have counted
    std::vector<std::string> saved;          // files that changed, so that it survives a reboot
    std::string error;                       // empty, or one sentence

    // The host is as it should be, now.
    [[nodiscard]] bool ok() const;
    [[nodiscard]] bool changed() const;
};

struct Task {
    Action action = Action::apply;
    std::string fix_id{};                       // Action::fix only
    bool persist = false;                       // from now on it survives reboots
    bool guard = false;                         // with persist: and is guarded by a service
    bool packet_filter = true;                  // --check and what comes after an apply ask it, too
    const Survival* survival = nullptr;         // unset: nothing is saved for a reboot, and nobody asks
    std::function<bool(const Step&)> may_do{};  // Action::apply: only these steps; unset: all
};

// Prepares this host, or says how it differs. Changes the state in `state_directory` when it changes the host.
Report prepare(const Request& request, const Task& task, Kernel& kernel, const std::string& state_directory);

// The same for all VIPs that are on record, or saved for a reboot. What is saved stays as it is.
Report restore(const Task& task, Kernel& kernel, const std::string& state_directory);

// Undoes what prepare() did for the VIPs of the request; for all when it names none.
Report unprepare(const Request& request, const Task& task, Kernel& kernel, const std::string& state_directory);

}  // namespace dsr::serverprep
