// One '-A' line of iptables-save as a rule. A match whose options are not judged is a condition that may hold or not.
#pragma once

#include <string>
#include <vector>

#include "serverprep/firewall/model.hpp"

namespace dsr::serverprep::firewall {

// Splits at blanks; double quotes hold words together, and a backslash keeps the next character.
std::vector<std::string> split_saved_line(const std::string& line);
// `words`: what follows the chain's name.
std::vector<Statement> read_saved_rule(const std::vector<std::string>& words);

}  // namespace dsr::serverprep::firewall
