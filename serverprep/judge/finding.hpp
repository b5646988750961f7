// What is wrong on this host, by the ids of the fault matrix, each with a command that mends it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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
    // Nothing is changed before the user has done the fix, or asked for it by --fix: it takes away what serverprep did
    // not make, or brings up what somebody took down.
    bool blocks = false;
    std::vector<Step> steps{};  // what --fix does, beside the planned steps that mend this id
};

std::string_view to_string(Severity severity);
bool is_error(const Finding& finding);

// Every id of --check: DESIGN section 9, column S, and what serverprep finds beyond it. Sorted.
std::span<const std::string_view> finding_ids();

}  // namespace dsr::serverprep
