#include "serverprep/firewall/read_ruleset.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "serverprep/firewall/read_statement.hpp"

namespace dsr::serverprep::firewall {
namespace {

// Real rulesets stay below 20. Everything that walks the tree recursively relies on it.
constexpr int kDeepest = 64;

Result<Json> read_json(const std::string& text) {
    bool too_deep = false;
    const auto watch = [&](int depth, Json::parse_event_t, Json&) {
        too_deep |= depth > kDeepest;
        return !too_deep;
    };
    Json json = Json::parse(text, watch, false);
    if (too_deep) return fail("the ruleset that nft printed is nested too deeply");
    if (json.is_discarded()) return fail("what nft printed is not JSON");
    const Json& objects = member(json, "nftables");
    if (!objects.is_array()) return fail("what nft printed is no ruleset: it has no list 'nftables'");
    return Json(objects);
}

bool is_judged(const std::string& family) {
    return family == "ip" || family == "inet" || family == "netdev";
}

Hook read_hook(const std::string& name) {
    if (name == "ingress") return Hook::ingress;
    if (name == "prerouting") return Hook::prerouting;
    if (name == "input") return Hook::input;
    if (name == "output") return Hook::output;
    if (name == "postrouting") return Hook::postrouting;
    if (name == "egress") return Hook::egress;
    return name.empty() ? Hook::none : Hook::other;
}

std::optional<std::vector<std::string>> read_devices(const Json& chain) {
    const Json& devices = member(chain, "dev");
    if (devices.is_string()) return std::vector{devices.get<std::string>()};
    if (!devices.is_array()) return std::nullopt;
    std::vector<std::string> names;
    for (const Json& one : devices)
        if (one.is_string()) names.push_back(one.get<std::string>());
    return names;
}

Chain read_chain(const Json& json) {
    const Json& priority = member(json, "prio");
    return {.name = text_of(json, "name"),
            .hook = read_hook(text_of(json, "hook")),
            .type = text_of(json, "type"),
            .priority = priority.is_number_integer() ? priority.get<std::int64_t>() : 0,
            .drops_by_policy = text_of(json, "policy") == "drop",
            .devices = read_devices(json)};
}

// nft 1.0.6 prints the family where the flags should be: any flag may be 'dormant' then.
Truth read_dormant(const Json& table) {
    const Json& flags = member(table, "flags");
    if (flags.is_null()) return Truth::no;
    const auto says = [](const Json& flag, const char* word) { return flag.is_string() && flag == word; };
    if (says(flags, "dormant")) return Truth::yes;
    if (says(flags, "owner") || says(flags, "persist")) return Truth::no;
    if (!flags.is_array()) return Truth::maybe;
    Truth dormant = Truth::no;
    for (const Json& flag : flags)
        if (says(flag, "dormant")) dormant = Truth::yes;
    return dormant;
}

class Reader {
public:
    explicit Reader(const Json& objects) : objects_(objects) {}

    std::vector<Table> read() {
        for (const Json& object : objects_)
            note(object);
        for (const Json& object : objects_)
            if (object.contains("rule")) add_rule(object["rule"]);
        return std::move(tables_);
    }

private:
    using Key = std::pair<std::string, std::string>;  // of a table and a set, or a table and a chain

    static std::string table_key(const Json& json, const char* name) {
        return text_of(json, "family") + ' ' + text_of(json, name);
    }

    void note(const Json& object) {
        if (object.contains("table")) note_table(object["table"]);
        if (object.contains("chain")) note_chain(object["chain"]);
        for (const char* kind : {"set", "map"})
            if (object.contains(kind))
                sets_[{table_key(object[kind], "table"), text_of(object[kind], "name")}] = &object[kind];
        if (object.contains("rule")) note_fed_sets(object["rule"]);
    }

    void note_table(const Json& json) {
        if (!is_judged(text_of(json, "family"))) return;
        tables_.push_back(
            {.family = text_of(json, "family"), .name = text_of(json, "name"), .dormant = read_dormant(json)});
        places_[table_key(json, "name")] = tables_.size() - 1;
    }

    Table* table_of(const Json& json) {
        const auto found = places_.find(table_key(json, "table"));
        return found == places_.end() ? nullptr : &tables_[found->second];
    }

    void note_chain(const Json& json) {
        if (Table* table = table_of(json)) table->chains[text_of(json, "name")] = read_chain(json);
    }

    // Sets that rules add to: what they hold now says nothing of the next packet.
    void note_fed_sets(const Json& rule) {
        const Json& statements = member(rule, "expr");
        if (!statements.is_array()) return;
        for (const Json& statement : statements)
            for (const char* kind : {"set", "map"}) {
                const std::string name = text_of(member(statement, kind), kind);
                if (name.starts_with('@')) fed_.insert({table_key(rule, "table"), name.substr(1)});
            }
    }

    [[nodiscard]] std::string why_unjudged(const Key& key) const {
        const auto found = sets_.find(key);
        if (found == sets_.end()) return fmt::format("the set '{}' is not in the ruleset", key.second);
        const Json& flags = member(*found->second, "flags");
        const auto says = [&](const char* word) {
            return flags == word || (flags.is_array() && std::ranges::find(flags, Json(word)) != flags.end());
        };
        if (fed_.contains(key) || says("dynamic") || says("timeout"))
            return fmt::format("what the set '{}' holds comes and goes", key.second);
        return {};
    }

    [[nodiscard]] const Json& elements(const Key& key) const {
        static const Json kEmpty = Json::array();
        const auto found = sets_.find(key);
        if (found == sets_.end()) return kEmpty;
        const Json& list = member(*found->second, "elem");
        return list.is_null() ? kEmpty : list;
    }

    // One copy of a set, however many rules name it.
    std::shared_ptr<const ElementSet> find_set(const Key& key, const std::vector<Operand>& operands) {
        std::string fields;
        for (const Operand& operand : operands)
            fields += static_cast<char>('a' + static_cast<int>(operand.field));
        auto& known = known_sets_[{key, fields}];
        if (!known) {
            ElementSet set = *read_elements(elements(key), operands);
            set.unjudged = why_unjudged(key);
            known = std::make_shared<ElementSet>(std::move(set));
        }
        return known;
    }

    VerdictMap find_map(const Key& key, std::vector<Operand> operands) {
        VerdictMap map = read_verdict_map(std::move(operands), elements(key));
        if (const std::string reason = why_unjudged(key); !reason.empty()) {
            ElementSet set = *map.elements;
            set.unjudged = reason;
            map.elements = std::make_shared<ElementSet>(std::move(set));
        }
        return map;
    }

    void add_rule(const Json& json) {
        Table* table = table_of(json);
        if (!table) return;
        const auto chain = table->chains.find(text_of(json, "chain"));
        if (chain == table->chains.end()) return;
        const std::string place = table_key(json, "table");
        const NamedSets named{
            .set = [&](const std::string& name,
                       const std::vector<Operand>& left) { return find_set({place, name}, left); },
            .map = [&](const std::string& name,
                       std::vector<Operand> left) { return find_map({place, name}, std::move(left)); }};
        Rule rule;
        if (const Json& handle = member(json, "handle"); handle.is_number_unsigned())
            rule.handle = handle.get<std::uint64_t>();
        const Json& statements = member(json, "expr");
        if (statements.is_array())
            for (const Json& statement : statements) {
                rule.has_iptables_parts |= statement.contains("xt");
                read_statement(statement, named, rule.statements);
            }
        chain->second.rules.push_back(std::move(rule));
    }

    const Json& objects_;
    std::vector<Table> tables_;
    std::map<std::string, std::size_t> places_;
    std::map<Key, const Json*> sets_;
    std::set<Key> fed_;
    std::map<std::pair<Key, std::string>, std::shared_ptr<const ElementSet>> known_sets_;
};

}  // namespace

Result<std::vector<Table>> read_ruleset(const std::string& nft_json) {
    const auto objects = read_json(nft_json);
    if (!objects) return std::unexpected(objects.error());
    return Reader(*objects).read();
}

}  // namespace dsr::serverprep::firewall
