#include "serverprep/firewall/read_statement.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "serverprep/firewall/iptables_target.hpp"

namespace dsr::serverprep::firewall {
namespace {

// Neither stop a rule nor change what is judged.
constexpr std::array<std::string_view, 5> kNoConsequence = {"counter", "log", "comment", "last", "dup"};

std::optional<Verdict> read_verdict(const Json& json) {
    if (!json.is_object() || json.size() != 1) return std::nullopt;
    const std::string& name = json.begin().key();
    const std::string chain = text_of(json.begin().value(), "target");
    const auto verdict = [&](Verdict::Kind kind) { return Verdict{.kind = kind, .chain = chain}; };
    const auto unjudged = [&](std::string reason) {
        return Verdict{.kind = Verdict::Kind::unjudged, .reason = std::move(reason)};
    };
    if (name == "accept") return verdict(Verdict::Kind::accept);
    if (name == "drop" || name == "reject") return verdict(Verdict::Kind::drop);
    if (name == "continue") return verdict(Verdict::Kind::next);
    if (name == "return") return verdict(Verdict::Kind::back);
    if (name == "jump") return verdict(Verdict::Kind::jump);
    if (name == "goto") return verdict(Verdict::Kind::go_to);
    if (name == "queue") return unjudged("hands the packet to a program");
    if (name == "fwd") return unjudged("sends the packet out of another interface");
    if (name == "tproxy") return unjudged("hands the packet to another socket (tproxy)");
    if (name == "synproxy") return unjudged("answers in the server's place (synproxy)");
    return std::nullopt;
}

// What is assigned decides what may no longer be relied on.
void read_mangle(const Json& mangle, std::vector<Statement>& out) {
    const Json& key = member(mangle, "key");
    if (key.contains("payload")) out.emplace_back(Effect::rewrites);
    if (text_of(member(key, "meta"), "key") == "pkttype") out.emplace_back(Effect::changes_packet_type);
    if (key.contains("ct")) out.emplace_back(Effect::changes_tracking);
}

void read_xt(const Json& xt, std::vector<Statement>& out) {
    const std::string name = text_of(xt, "name");
    if (text_of(xt, "type") == "target") return read_target(name, nullptr, out);
    if (name != "comment")
        out.emplace_back(unjudged_condition(fmt::format("the match '{}' of iptables is not judged", name)));
}

std::string reason_for(const std::string& name) {
    if (name == "limit" || name == "quota" || name == "ct count")
        return fmt::format("depends on how much there is ('{}')", name);
    if (name == "set" || name == "map" || name == "meter") return "feeds a set, and depends on its limits";
    return fmt::format("the statement '{}' is not judged", name);
}

}  // namespace

VerdictMap read_verdict_map(std::vector<Operand> key, const Json& pairs) {
    VerdictMap map{.left = std::move(key)};
    auto elements = std::make_shared<ElementSet>();
    if (!pairs.is_array()) elements->unjudged = "is not understood";
    for (const Json& pair : pairs) {
        if (!pair.is_array() || pair.size() != 2) {
            elements->unjudged = "is not understood";
            continue;
        }
        elements->elements.push_back(read_element(pair[0], map.left));
        map.verdicts.push_back(
            read_verdict(pair[1]).value_or(Verdict{.kind = Verdict::Kind::unjudged, .reason = "is not understood"}));
    }
    map.elements = std::move(elements);
    return map;
}

void read_statement(const Json& statement, const NamedSets& named, std::vector<Statement>& out) {
    if (!statement.is_object() || statement.size() != 1) {
        out.emplace_back(unjudged_condition("is not understood"));
        return;
    }
    const std::string& name = statement.begin().key();
    const Json& body = statement.begin().value();
    if (const auto verdict = read_verdict(statement)) {
        out.emplace_back(*verdict);
    } else if (name == "match") {
        out.emplace_back(read_match(body, named.set));
    } else if (name == "vmap") {
        std::vector<Operand> key = read_operands(member(body, "key"));
        const Json& data = member(body, "data");
        const bool by_name = data.is_string() && data.get_ref<const std::string&>().starts_with('@');
        out.emplace_back(by_name ? named.map(data.get<std::string>().substr(1), std::move(key))
                                 : read_verdict_map(std::move(key), member(data, "set")));
    } else if (name == "mangle") {
        read_mangle(body, out);
    } else if (name == "notrack") {
        out.emplace_back(Effect::untracks);
    } else if (name == "dnat" || name == "redirect") {
        out.emplace_back(Effect::redirects);
    } else if (name == "snat" || name == "masquerade") {
        out.emplace_back(Effect::changes_source);
    } else if (name == "xt") {
        read_xt(body, out);
    } else if (std::ranges::find(kNoConsequence, name) == kNoConsequence.end()) {
        out.emplace_back(unjudged_condition(reason_for(name)));
    }
}

}  // namespace dsr::serverprep::firewall
