// Claims as a table for people and as JSON for programs. Text only; prints nothing.
#pragma once

#include <string>
#include <vector>

#include "common/sys/terminal.hpp"
#include "verify/judge/claim.hpp"

namespace dsr::verify {

// A row for each claim; what was refuted or not shown is spelled out below the table. Ends with the verdict.
std::string report_text(const std::vector<Claim>& claims, const sys::Painter& painter);

// {"verdict", "claims": [{"claim", "subject", "verdict", "finding", "expected", "actual", "where", "fix"}]}, one line.
// `finding` is null when no row of the fault matrix is named; `fix` is "" when there is nothing to repair.
std::string report_json(const std::vector<Claim>& claims);

// The exit status of the contract: 0 all proved, 1 something refuted, 3 nothing refuted but something not shown.
int exit_status(const std::vector<Claim>& claims);

}  // namespace dsr::verify
