// What a run is about, once everything has been read: made, looked at again, judged. Changes nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "serverprep/difference.hpp"
#include "serverprep/session.hpp"

namespace dsr::serverprep {

// What a run is about, once everything has been read.
struct Plan {
    Desired desired;
    State before;   // as it is on record
    Shared shared;  // those that leave: VIPs that the configuration does not have any more
    Observed observed;
    std::vector<Step> steps;
    State without_leaving;
    std::optional<Desired> recorded;   // what is put on record, if that is not all that is desired
    std::vector<std::string> remarks;  // what could not be read, where that stops nobody
    // Not when restoring: it is what is restored from, and the service that does it may not write below /etc.
    bool saves = true;
};

// The links that the state has anything to do with.
std::set<std::string> links_of(const State& state);

// VIPs of the state that the request does not name: those of a configuration leave with it, the others stay.
void part_others(const Request& request, Plan& plan);

// Those that will be served: the request's and the others.
std::vector<ServedVip> staying(const Plan& plan);

// Whether a VIP on record that the configuration does not ask for is to be removed.
bool leaves_with(const Desired& desired, const ServedVip& served);

// Observes the host and plans from what it finds.
Result<void> look_again(Kernel& kernel, Plan& plan);

enum class Ask : std::uint8_t {
    nothing,  // what was observed is enough
    network,  // and what the kernel would do with packets
    all,      // and who listens: services may start later than the host is prepared
};

// Judges the host as it was observed last. `not_looked_at` is replaced.
std::vector<Finding> judge_plan(Kernel& kernel, const Request& request, const Task& task, const Plan& plan, Ask ask,
                                std::vector<std::string>& not_looked_at);

}  // namespace dsr::serverprep
