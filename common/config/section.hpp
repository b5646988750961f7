// Typed reading of one YAML mapping: unknown and repeated keys, missing keys, wrong types and single values out of
// range are reported, and nothing is returned for them. Knows no key by name.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/draft.hpp"
#include "common/config/yaml_tree.hpp"

namespace dsr::config {

using Keys = std::initializer_list<std::string_view>;
// Keys that people try and that cannot exist, with the reason.
using ImpossibleKeys = std::initializer_list<std::pair<std::string_view, std::string_view>>;

// "'text'", "a list", "a mapping" or "nothing": the start of a sentence about a value.
std::string describe(const Node& node);

// Reports that a node is not `wanted` ("a whole number from 1 to 2").
void report_wrong(Draft& draft, const Node& node, std::string_view path, std::string_view wanted);

// Decimal digits only, no sign, no leading zero.
std::optional<std::uint32_t> parse_number(std::string_view text);

// A single host's address.
std::optional<wire::Ipv4Address> read_host_address(Draft& draft, const Node& node, const std::string& path);

// Why an address cannot be one host's ("is a multicast address"); empty when it can.
std::string_view not_a_host(wire::Ipv4Address address);

class Section {
public:
    // Reports at once a node that is no mapping, unknown keys, repeated keys and absent `required` keys.
    Section(Draft& draft, const Node& node, std::string path, Keys required, Keys optional,
            ImpossibleKeys impossible = {});

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string path_of(std::string_view key) const;
    // The value as it is, null when absent.
    [[nodiscard]] const Node* find(std::string_view key) const;

    // All of these give nothing when the key is absent or its value was reported.
    std::optional<std::string> text(std::string_view key, std::size_t max_bytes);
    std::optional<std::uint32_t> number(std::string_view key, std::uint32_t min, std::uint32_t max);
    std::optional<wire::Ipv4Address> address(std::string_view key);
    std::optional<wire::MacAddress> mac(std::string_view key);
    std::span<const Node> list(std::string_view key);

    template <typename Value>
    std::optional<Value> word(std::string_view key, std::initializer_list<std::pair<std::string_view, Value>> words) {
        const Node* node = find(key);
        if (node == nullptr) return std::nullopt;
        std::string wanted;
        for (const auto& [name, value] : words) {
            if (node->kind == Node::Kind::scalar && node->text == name) {
                valid(key, *node);
                return value;
            }
            wanted.append(!wanted.empty() ? ", " : words.size() > 1 ? "one of " : "").append(name);
        }
        report_wrong(draft_, *node, path_of(key), wanted);
        return std::nullopt;
    }

    // Remembers the place of a value that its reader found valid.
    void valid(std::string_view key, const Node& node) { draft_.places[path_of(key)] = node.mark; }

private:
    void report_key(const Node& key, const Node& value, std::span<const std::string_view> known,
                    ImpossibleKeys impossible);

    Draft& draft_;
    std::string path_;
    std::vector<std::pair<std::string_view, const Node*>> values_;  // known keys, once each
    std::vector<std::string_view> misspelled_;                      // known keys that were meant: not missing as well
};

}  // namespace dsr::config
