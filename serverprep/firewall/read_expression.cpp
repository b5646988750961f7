#include "serverprep/firewall/read_expression.hpp"

#include <optional>

#include <fmt/format.h>

#include "common/wire/address.hpp"
#include "serverprep/firewall/symbols.hpp"

namespace dsr::serverprep::firewall {
namespace {

Operand unjudged(std::string reason) {
    return {.field = Field::unjudged, .reason = std::move(reason)};
}

Operand ip_operand(const std::string& field) {
    if (field == "saddr") return {.field = Field::source};
    if (field == "daddr") return {.field = Field::destination};
    if (field == "protocol") return {.field = Field::protocol};
    if (field == "version") return {.field = Field::ip_version};
    if (field == "frag-off") return {.field = Field::fragment};
    return unjudged(fmt::format("depends on the packet's 'ip {}'", field));
}

Operand transport_operand(const std::string& header, const std::string& field) {
    struct Header {
        const char* name;
        std::uint8_t protocol;
    };
    constexpr Header kHeaders[] = {{"icmp", 1},  {"igmp", 2},   {"tcp", 6},    {"udp", 17},
                                   {"dccp", 33}, {"gre", 47},   {"esp", 50},   {"icmpv6", 58},
                                   {"ah", 51},   {"comp", 108}, {"sctp", 132}, {"udplite", 136}};
    Operand operand = unjudged(fmt::format("depends on the packet's '{} {}'", header, field));
    for (const Header& one : kHeaders)
        if (header == one.name) operand.protocol = one.protocol;
    operand.any_transport = header == "th";
    if (!operand.protocol && !operand.any_transport) return operand;
    if (field == "sport") operand.field = Field::source_port;
    if (field == "dport") operand.field = Field::destination_port;
    if (field == "flags" && header == "tcp") operand.field = Field::tcp_flags;
    return operand;
}

Operand payload_operand(const Json& payload) {
    const std::string header = text_of(payload, "protocol");
    const std::string field = text_of(payload, "field");
    if (header.empty() || payload.contains("tunnel")) return unjudged("compares raw bytes of the packet");
    if (header == "ip") return ip_operand(field);
    if (header == "ether" && field == "type") return {.field = Field::ethertype};
    if (header == "ip6" || header == "arp") return {.field = Field::absent};
    return transport_operand(header, field);
}

Operand meta_operand(const std::string& key) {
    if (key == "iif" || key == "iifname") return {.field = Field::input_link};
    if (key == "oif" || key == "oifname") return {.field = Field::output_link};
    if (key == "l4proto") return {.field = Field::protocol};
    if (key == "nfproto") return {.field = Field::nfproto};
    if (key == "protocol") return {.field = Field::ethertype};
    if (key == "pkttype") return {.field = Field::packet_type};
    return unjudged(fmt::format("depends on the packet's 'meta {}'", key));
}

Operand ct_operand(const Json& ct) {
    const std::string key = text_of(ct, "key");
    if (key == "state") return {.field = Field::ct_state};
    if (key == "status") return {.field = Field::ct_status};
    return unjudged(fmt::format("depends on the connection's 'ct {}'", key));
}

Operand fib_operand(const Json& fib) {
    const Json& flags = member(fib, "flags");
    if (text_of(fib, "result") != "type")
        return unjudged("depends on the route back to the client (a reverse path filter)");
    const Json& flag = flags.is_array() && flags.size() == 1 ? flags.front() : flags;
    if (flag == "saddr") return {.field = Field::source_type};
    if (flag == "daddr") return {.field = Field::destination_type};
    return unjudged("depends on the type of an address on one interface");
}

bool has_flags(Field field) {
    return field == Field::ct_state || field == Field::ct_status || field == Field::tcp_flags;
}

// A number, a name, or several of them or-ed: a list, or {"|": […]}. `depth`: the "|" of nft before 1.0 nest.
std::optional<std::uint64_t> bits_of(const Json& json, Field field, int depth = 0) {
    if (depth > 16) return std::nullopt;
    if (json.is_number_unsigned()) return json.get<std::uint64_t>();
    if (json.is_string()) return number_of(field, json.get_ref<const std::string&>());
    const Json& list = json.is_array() ? json : member(json, "|");
    if (!list.is_array()) return std::nullopt;
    std::uint64_t all = 0;
    for (const Json& one : list) {
        const auto bits = bits_of(one, field, depth + 1);
        if (!bits) return std::nullopt;
        all |= *bits;
    }
    return all;
}

Operand masked_operand(const Json& pair) {
    if (!pair.is_array() || pair.size() != 2) return unjudged("is not understood");
    std::vector<Operand> inner = pair[0].contains("&") ? std::vector<Operand>{} : read_operands(pair[0]);
    if (inner.size() != 1) return unjudged("is not understood");
    const auto mask = bits_of(pair[1], inner[0].field);
    const bool named = inner[0].field == Field::input_link || inner[0].field == Field::output_link;
    if ((!mask || named) && inner[0].field != Field::unjudged)
        return unjudged("is compared under a mask that is not understood");
    inner[0].mask = mask.value_or(0);
    return inner[0];
}

Operand read_operand(const Json& left) {
    if (left.contains("payload")) return payload_operand(left["payload"]);
    if (left.contains("meta")) return meta_operand(text_of(left["meta"], "key"));
    if (left.contains("ct")) return ct_operand(left["ct"]);
    if (left.contains("fib")) return fib_operand(left["fib"]);
    if (left.contains("&")) return masked_operand(left["&"]);
    if (left.is_object() && left.size() == 1) return unjudged(fmt::format("depends on '{}'", left.begin().key()));
    return unjudged("is not understood");
}

Pattern numbers(std::optional<std::uint64_t> first, std::optional<std::uint64_t> last) {
    if (!first || !last) return {};
    return {.kind = Pattern::Kind::numbers, .first = *first, .last = *last};
}

Pattern prefix_pattern(const Json& prefix, Field field) {
    const auto address = wire::Ipv4Address::parse(text_of(prefix, "addr"));
    const Json& length = member(prefix, "len");
    if (!address || !length.is_number_unsigned() || length.get<std::uint64_t>() > 32) return {};
    if (field != Field::source && field != Field::destination) return {};
    const wire::Ipv4Prefix network{*address, static_cast<std::uint8_t>(length.get<std::uint64_t>())};
    const std::uint64_t first = network.network().host();
    return numbers(first, first | (~network.mask() & 0xffffffffU));
}

Pattern name_pattern(const std::string& text) {
    // A backslash escapes a '*' that is part of the name.
    if (text.find('\\') != std::string::npos) return {};
    return {.kind = Pattern::Kind::name, .name = text};
}

Pattern read_pattern(const Json& json, const Operand& operand) {
    const bool link = operand.field == Field::input_link || operand.field == Field::output_link;
    if (json == "*") return {.kind = Pattern::Kind::anything};
    if (link) return json.is_string() ? name_pattern(json.get<std::string>()) : Pattern{};
    if (json.contains("prefix")) return prefix_pattern(json["prefix"], operand.field);
    if (const Json& range = member(json, "range"); range.is_array() && range.size() == 2)
        return numbers(bits_of(range[0], operand.field), bits_of(range[1], operand.field));
    if ((json.is_array() || json.contains("|")) && !has_flags(operand.field)) return {};
    const auto number = bits_of(json, operand.field);
    return numbers(number, number);
}

// '<' and its kin are ranges.
Pattern bounded(const std::string& op, const Pattern& pattern) {
    if (pattern.kind != Pattern::Kind::numbers || pattern.first != pattern.last) return {};
    const std::uint64_t bound = pattern.first;
    const std::uint64_t most = ~std::uint64_t{0};
    if (op == "<") return bound == 0 ? numbers(1, 0) : numbers(0, bound - 1);
    if (op == "<=") return numbers(0, bound);
    if (op == ">=") return numbers(bound, most);
    if (op == ">") return bound == most ? numbers(1, 0) : numbers(bound + 1, most);
    return {};
}

Match bit_match(const std::string& op, std::vector<Operand> left, const Json& right) {
    const auto bits = left.size() == 1 && has_flags(left[0].field) ? bits_of(right, left[0].field) : std::nullopt;
    if (!bits) {
        const bool known_reason = left.size() == 1 && !left[0].reason.empty();
        Match match = unjudged_condition(known_reason ? left[0].reason : "is not understood");
        if (left.size() == 1) match.left[0].protocol = left[0].protocol;
        return match;
    }
    return {
        .op = op == "!" ? Match::Operator::no_bit : Match::Operator::any_bit, .left = std::move(left), .bits = *bits};
}

}  // namespace

const Json& member(const Json& json, const char* name) {
    static const Json kNone;
    const auto found = json.is_object() ? json.find(name) : json.end();
    return found == json.end() ? kNone : *found;
}

std::string text_of(const Json& json, const char* name) {
    const Json& found = member(json, name);
    return found.is_string() ? found.get<std::string>() : std::string();
}

Match unjudged_condition(std::string reason) {
    return {.left = {unjudged(std::move(reason))},
            .right = std::make_shared<ElementSet>(ElementSet{.elements = {{Pattern{}}}})};
}

std::vector<Operand> read_operands(const Json& left) {
    const Json& parts = member(left, "concat");
    if (!parts.is_array()) return {read_operand(left)};
    std::vector<Operand> operands;
    for (const Json& part : parts)
        operands.push_back(read_operand(part));
    return operands;
}

Element read_element(const Json& json, const std::vector<Operand>& operands) {
    if (json.contains("elem")) {
        const Json& value = member(json["elem"], "val");
        return value.contains("elem") ? Element(operands.size()) : read_element(value, operands);
    }
    // The catch-all of a concatenation is one star, too.
    if (json == "*") return Element(operands.size(), Pattern{.kind = Pattern::Kind::anything});
    const Json& parts = member(json, "concat");
    if (!parts.is_array())
        return operands.size() == 1 ? Element{read_pattern(json, operands[0])} : Element(operands.size());
    if (parts.size() != operands.size()) return Element(operands.size());
    Element element;
    for (std::size_t i = 0; i < parts.size(); ++i)
        element.push_back(read_pattern(parts[i], operands[i]));
    return element;
}

std::shared_ptr<const ElementSet> read_elements(const Json& list, const std::vector<Operand>& operands) {
    auto set = std::make_shared<ElementSet>();
    if (!list.is_array()) {
        set->elements.push_back(read_element(list, operands));
        return set;
    }
    for (const Json& one : list)
        set->elements.push_back(read_element(one, operands));
    return set;
}

Match read_match(const Json& match, const FindSet& find_set) {
    const std::string op = text_of(match, "op");
    const Json& right = member(match, "right");
    std::vector<Operand> left = read_operands(member(match, "left"));
    const bool named = right.is_string() && right.get_ref<const std::string&>().starts_with('@');
    const bool set = named || right.contains("set");
    if ((op == "in" && !set) || op == "!") return bit_match(op, std::move(left), right);

    Match result{.op = op == "!=" ? Match::Operator::not_in : Match::Operator::in, .left = std::move(left)};
    if (named)
        result.right = find_set(right.get<std::string>().substr(1), result.left);
    else if (set)
        result.right = read_elements(right["set"], result.left);
    else {
        ElementSet one{.elements = {read_element(right, result.left)}};
        if (op != "==" && op != "!=" && op != "in")
            for (Pattern& pattern : one.elements[0])
                pattern = bounded(op, pattern);
        result.right = std::make_shared<ElementSet>(std::move(one));
    }
    return result;
}

}  // namespace dsr::serverprep::firewall
