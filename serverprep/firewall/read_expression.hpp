// Expressions of nft's JSON: what a rule compares, and with what. Anything not understood becomes something that is not
// judged, never an error: libnftables-json(5) grows with every release. Knows no statement and no table.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "serverprep/firewall/model.hpp"

namespace dsr::serverprep::firewall {

using Json = nlohmann::json;

// The set a rule names with '@', read for these operands.
using FindSet = std::function<std::shared_ptr<const ElementSet>(const std::string& name, const std::vector<Operand>&)>;

std::vector<Operand> read_operands(const Json& left);
std::shared_ptr<const ElementSet> read_elements(const Json& list, const std::vector<Operand>& operands);
Element read_element(const Json& json, const std::vector<Operand>& operands);
Match read_match(const Json& match, const FindSet& find_set);
// A condition that may hold or not.
Match unjudged_condition(std::string reason);

// A member of an object; null if it has none or is no object.
const Json& member(const Json& json, const char* name);
std::string text_of(const Json& json, const char* name);

}  // namespace dsr::serverprep::firewall
