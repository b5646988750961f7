// How a rule is named to a person, and the command that lets a packet pass it.
#pragma once

#include <string>

#include "serverprep/firewall/evaluate.hpp"

namespace dsr::serverprep::firewall {

// 'inet filter input, handle 7: ip daddr 203.0.113.10 drop'; without a rule 'inet filter input: policy drop'.
std::string name_of(const Table& table, const Chain& chain, const Rule* rule);

// Deletes a rule that names the packet; any other rule, and a policy, protects more than this packet: the fix then is
// an exception at the start of the base chain.
std::string fix_for(const Table& table, const Chain& base, const Culprit& culprit, const FilteredPacket& packet);

}  // namespace dsr::serverprep::firewall
