// One run of serverprep from request to report: observe, compare, judge, remember, apply, read back. The order of these
// is all it knows.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/desired.hpp"
#include "serverprep/finding.hpp"
#include "serverprep/kernel/kernel.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {

enum class Action : std::uint8_t { apply, check, dry_run };

// Values are the exit codes of the program.
enum class Exit : std::uint8_t { ok = 0, failed = 1, usage = 2, different = 3 };

struct Report {
    Exit exit = Exit::ok;
    std::string interface;  // empty with --remove and when it could not be chosen
    std::vector<wire::Ipv4Address> vips;
    std::vector<Step> steps;
    std::vector<Finding> findings;  // as the host is now
    std::string error;              // empty, or one sentence

    // The host is as it should be, now.
    [[nodiscard]] bool ok() const;
    [[nodiscard]] bool changed() const;
};

// Prepares this host, or says how it differs. `state_directory` is used by Action::apply only.
Report prepare(const Request& request, Action action, Kernel& kernel, const std::string& state_directory);

// Undoes what prepare() did for the VIPs of the request; for all when it names none.
Report unprepare(const Request& request, Action action, Kernel& kernel, const std::string& state_directory);

}  // namespace dsr::serverprep
