#include "serverprep/firewall/match.hpp"

#include <algorithm>

namespace dsr::serverprep::firewall {
namespace {

Truth is_element(const std::vector<FieldValue>& values, const Element& element) {
    Truth all = truth(values.size() == element.size());
    for (std::size_t i = 0; i < values.size() && i < element.size() && all != Truth::no; ++i)
        all = all && matches(values[i], element[i]);
    return all;
}

Truth is_any_element(const std::vector<FieldValue>& values, const ElementSet& set) {
    Truth any = Truth::no;
    for (const Element& element : set.elements) {
        any = any || is_element(values, element);
        if (any == Truth::yes) break;
    }
    return any;
}

// What is one of several values is looked up for each: '{new, untracked}' covers 'new or untracked'.
Truth look_up(const std::vector<FieldValue>& values, const ElementSet& set) {
    if (values.size() != 1 || values[0].possible.size() < 2) return is_any_element(values, set);
    std::vector<FieldValue> one = values;
    one[0].possible = {values[0].possible[0]};
    Truth all = is_any_element(one, set);
    for (const Possible& possible : values[0].possible) {
        one[0].possible = {possible};
        all = join(all, is_any_element(one, set));
    }
    return all;
}

std::string first_reason(const std::vector<FieldValue>& values) {
    for (const FieldValue& value : values)
        if (!value.reason.empty()) return value.reason;
    return "compares with what is not understood";
}

}  // namespace

std::vector<FieldValue> values_of(const std::vector<Operand>& operands, const PacketState& state, const Place& place) {
    std::vector<FieldValue> values;
    values.reserve(operands.size());
    for (const Operand& operand : operands)
        values.push_back(state.value(operand, place));
    return values;
}

bool any_absent(const std::vector<FieldValue>& values) {
    return std::ranges::any_of(values, &FieldValue::absent);
}

Answer ask(const Match& match, const PacketState& state, const Place& place) {
    const auto values = values_of(match.left, state, place);
    if (any_absent(values)) return {Truth::no, {}};
    Truth holds = Truth::maybe;
    if (match.op == Match::Operator::any_bit || match.op == Match::Operator::no_bit)
        holds = values.size() == 1 ? has_any_bit(values[0], match.bits) : Truth::maybe;
    else if (!match.right || !match.right->unjudged.empty())
        return {Truth::maybe, match.right ? match.right->unjudged : first_reason(values)};
    else
        holds = look_up(values, *match.right);
    if (match.op == Match::Operator::not_in || match.op == Match::Operator::no_bit) holds = !holds;
    return {holds, holds == Truth::maybe ? first_reason(values) : std::string()};
}

Answer ask_element(const VerdictMap& map, std::size_t index, const std::vector<FieldValue>& values) {
    if (!map.elements->unjudged.empty()) return {Truth::maybe, map.elements->unjudged};
    const Truth holds = is_element(values, map.elements->elements[index]);
    return {holds, holds == Truth::maybe ? first_reason(values) : std::string()};
}

}  // namespace dsr::serverprep::firewall
