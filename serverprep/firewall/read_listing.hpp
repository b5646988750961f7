// What `nft -a list ruleset` adds to its JSON: each rule as a person reads it, and what nft 1.0.6 leaves out of the
// JSON: the devices of ingress and egress chains, and whether a table is dormant. Judges nothing.
#pragma once

#include <string>
#include <vector>

#include "serverprep/firewall/model.hpp"

namespace dsr::serverprep::firewall {

// Tables and rules that the listing does not have stay as they are.
void add_listing(const std::string& listing, std::vector<Table>& tables);

}  // namespace dsr::serverprep::firewall
