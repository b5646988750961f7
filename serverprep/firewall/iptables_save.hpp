// The text of iptables-save, of either backend. nft shows matches and targets of iptables by name only ({"xt": …});
// here are their options. Knows nothing of packets.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "serverprep/firewall/model.hpp"

namespace dsr::serverprep::firewall {

struct SavedChain {
    std::string policy{};  // ACCEPT, DROP, or '-' for a chain of the user's
    std::vector<Rule> rules{};
};
using SavedTable = std::map<std::string, SavedChain>;

// By the tables' names. Lines that are not understood make a rule that is not judged.
std::map<std::string, SavedTable> read_iptables_save(const std::string& text);

// What iptables-nft's save says of rules that nft shows in part. Only where both tell of the same number of rules in a
// chain.
void add_iptables_nft(const std::string& text, std::vector<Table>& tables);
// The tables of legacy iptables, which nft does not show.
void add_iptables_legacy(const std::string& text, std::vector<Table>& tables);

}  // namespace dsr::serverprep::firewall
