// What targets of iptables do, by their name, see iptables-extensions(8).
#pragma once

#include <string>
#include <vector>

#include "serverprep/firewall/model.hpp"

namespace dsr::serverprep::firewall {

// `options`: what follows the target in a line of iptables-save; not known (nullptr) from nft.
void read_target(const std::string& name, const std::vector<std::string>* options, std::vector<Statement>& out);

}  // namespace dsr::serverprep::firewall
