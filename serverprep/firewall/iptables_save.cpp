#include "serverprep/firewall/iptables_save.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>
#include <string_view>

#include "serverprep/firewall/iptables_rule.hpp"
#include "serverprep/firewall/iptables_target.hpp"

namespace dsr::serverprep::firewall {
namespace {

// '-A INPUT -d 203.0.113.10/32 -j DROP'
void add_rule(const std::string& line, SavedTable& table) {
    const auto words = split_saved_line(line);
    if (words.size() < 2) return;
    Rule rule;
    rule.text = line;
    rule.iptables = line.substr(3);
    rule.statements = read_saved_rule({words.begin() + 2, words.end()});
    table[words[1]].rules.push_back(std::move(rule));
}

// A jump to what is no chain of the table is a target.
void resolve_targets(SavedTable& table) {
    for (auto& [name, chain] : table)
        for (Rule& rule : chain.rules) {
            if (rule.statements.empty()) continue;
            const auto* jump = std::get_if<Verdict>(&rule.statements.back());
            if (!jump || jump->kind != Verdict::Kind::jump || table.contains(jump->chain)) continue;
            const std::string target = jump->chain;
            rule.statements.pop_back();
            read_target(target, nullptr, rule.statements);
        }
}

struct Builtin {
    std::string_view chain;
    Hook hook;
};
constexpr std::array<Builtin, 4> kBuiltins = {{{"PREROUTING", Hook::prerouting},
                                               {"INPUT", Hook::input},
                                               {"OUTPUT", Hook::output},
                                               {"POSTROUTING", Hook::postrouting}}};

// NF_IP_PRI_* of linux/netfilter_ipv4.h.
std::int64_t priority_of(const std::string& table, Hook hook) {
    if (table == "raw") return -300;
    if (table == "mangle") return -150;
    if (table == "nat") return hook == Hook::prerouting || hook == Hook::output ? -100 : 100;
    return table == "security" ? 50 : 0;
}

Chain legacy_chain(const std::string& table, const std::string& name, SavedChain saved) {
    Chain chain;
    chain.name = name;
    chain.rules = std::move(saved.rules);
    for (const Builtin& builtin : kBuiltins)
        if (builtin.chain == name && saved.policy != "-") chain.hook = builtin.hook;
    chain.type = table == "nat" ? "nat" : "filter";
    chain.priority = priority_of(table, chain.hook);
    chain.drops_by_policy = saved.policy == "DROP";
    return chain;
}

bool same_rules(const Table& table, const SavedTable& saved) {
    return std::ranges::all_of(table.chains, [&](const auto& entry) {
        const auto found = saved.find(entry.first);
        return found != saved.end() && found->second.rules.size() == entry.second.rules.size();
    });
}

}  // namespace

std::map<std::string, SavedTable> read_iptables_save(const std::string& text) {
    std::map<std::string, SavedTable> tables;
    SavedTable* table = nullptr;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        if (line.starts_with('*')) table = &tables[line.substr(1)];
        if (!table) continue;
        if (line.starts_with(':')) {
            const auto words = split_saved_line(line.substr(1));
            if (words.size() >= 2) (*table)[words[0]].policy = words[1];
        }
        if (line.starts_with("-A ")) add_rule(line, *table);
    }
    for (auto& [name, each] : tables)
        resolve_targets(each);
    return tables;
}

void add_iptables_nft(const std::string& text, std::vector<Table>& tables) {
    auto saved = read_iptables_save(text);
    for (Table& table : tables) {
        const auto found = saved.find(table.name);
        if (table.family != "ip" || found == saved.end() || !same_rules(table, found->second)) continue;
        table.backend = Backend::iptables_nft;
        for (auto& [name, chain] : table.chains)
            for (std::size_t i = 0; i < chain.rules.size(); ++i) {
                Rule& from = found->second[name].rules[i];
                Rule& to = chain.rules[i];
                to.text = std::move(from.text);
                to.iptables = std::move(from.iptables);
                if (to.has_iptables_parts) to.statements = std::move(from.statements);
            }
    }
}

void add_iptables_legacy(const std::string& text, std::vector<Table>& tables) {
    for (auto& [name, saved] : read_iptables_save(text)) {
        Table table{.family = "ip", .name = name, .backend = Backend::iptables_legacy};
        for (auto& [chain, rules] : saved)
            table.chains[chain] = legacy_chain(name, chain, std::move(rules));
        tables.push_back(std::move(table));
    }
}

}  // namespace dsr::serverprep::firewall
