// `nft -j list ruleset` as tables of the model: IPv4's families only, with the sets rules name. Limits what an odd or
// hostile text can cost. Knows neither packets nor iptables-save.
#pragma once

#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/firewall/model.hpp"

namespace dsr::serverprep::firewall {

Result<std::vector<Table>> read_ruleset(const std::string& nft_json);

}  // namespace dsr::serverprep::firewall
