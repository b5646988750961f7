// One statement of a rule in nft's JSON. What is not understood is a condition that may hold or not: the rule it stands
// in can then be neither relied on nor blamed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "serverprep/firewall/read_expression.hpp"

namespace dsr::serverprep::firewall {

struct NamedSets {
    FindSet set;
    std::function<VerdictMap(const std::string& name, std::vector<Operand> key)> map;
};

// Appends what the statement amounts to: nothing for a counter.
void read_statement(const Json& statement, const NamedSets& named, std::vector<Statement>& out);
// The elements of a verdict map: [[key, verdict], …].
VerdictMap read_verdict_map(std::vector<Operand> key, const Json& pairs);

}  // namespace dsr::serverprep::firewall
