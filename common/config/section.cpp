#include "common/config/section.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <unordered_map>

namespace dsr::config {
namespace {

// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other; for short words.
std::size_t edit_distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> before(to.size() + 1);
    std::vector<std::size_t> row(to.size() + 1);
    std::vector<std::size_t> next(to.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= from.size(); ++i) {
        next[0] = i;
        for (std::size_t j = 1; j <= to.size(); ++j) {
            next[j] = std::min({row[j] + 1, next[j - 1] + 1, row[j - 1] + (from[i - 1] == to[j - 1] ? 0U : 1U)});
            if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                next[j] = std::min(next[j], before[j - 2] + 1);
        }
        before.swap(row);
        row.swap(next);
    }
    return row[to.size()];
}

// The known key a person most likely meant; empty when none is close.
std::string_view nearest(std::string_view key, std::span<const std::string_view> known) {
    constexpr std::size_t kLongestKey = 64;
    if (key.size() > kLongestKey) return {};
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(key.size() / 3, 1) + 1;
    for (const auto candidate : known) {
        const std::size_t distance = edit_distance(key, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string join(std::span<const std::string_view> words) {
    std::string out;
    for (const auto word : words)
        out.append(out.empty() ? "" : ", ").append(word);
    return out;
}

bool has_control_character(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

// What an address should have been, said as helpfully as the text allows.
std::string address_hint(std::string_view text) {
    if (text.find(':') != text.rfind(':')) return "an IPv4 address (IPv6 is not supported yet)";
    const auto extra = text.find_first_of("/:");
    if (extra != std::string_view::npos && wire::Ipv4Address::parse(text.substr(0, extra)))
        return "an address alone: leave out " + quoted(text.substr(extra));
    return "an IPv4 address such as 192.0.2.1";
}

std::string at_key(const std::string& path, std::string_view key) {
    return path.empty() ? std::string(key) : path + "." + std::string(key);
}

}  // namespace

std::string describe(const Node& node) {
    switch (node.kind) {
        case Node::Kind::sequence:
            return "a list";
        case Node::Kind::mapping:
            return "a mapping";
        case Node::Kind::scalar:
        case Node::Kind::refused:
            break;
    }
    return node.plain && node.text.empty() ? "nothing" : quoted(node.text);
}

void report_wrong(Draft& draft, const Node& node, std::string_view path, std::string_view wanted) {
    if (node.kind == Node::Kind::refused) return;
    draft.report.add(node.mark, path, describe(node).append(" is not ").append(wanted));
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
    std::uint32_t value = 0;
    const char* begin = text.data();
    const char* end = begin + text.size();
    const auto [stop, error] = std::from_chars(begin, end, value, 10);
    if (error != std::errc{} || stop != end || (text.size() > 1 && text.front() == '0')) return std::nullopt;
    return value;
}

std::string_view not_a_host(wire::Ipv4Address address) {
    if (address.host() >> 24U == 0) return "lies in 0.0.0.0/8, which names no host";
    if (address.is_loopback()) return "is a loopback address";
    if (address.is_multicast()) return "is a multicast address";
    if (address.is_broadcast()) return "is the broadcast address";
    return {};
}

std::optional<wire::Ipv4Address> read_host_address(Draft& draft, const Node& node, const std::string& path) {
    const std::string_view text = node.text;
    const auto address = node.kind == Node::Kind::scalar ? wire::Ipv4Address::parse(text) : std::nullopt;
    if (!address) {
        report_wrong(draft, node, path, address_hint(text));
        return std::nullopt;
    }
    if (const auto reason = not_a_host(*address); !reason.empty()) {
        draft.report.add(node.mark, path, quoted(text).append(" ").append(reason));
        return std::nullopt;
    }
    draft.places[path] = node.mark;
    return address;
}

Section::Section(Draft& draft, const Node& node, std::string path, Keys required, Keys optional,
                 ImpossibleKeys impossible)
    : draft_(draft), path_(std::move(path)) {
    if (node.kind != Node::Kind::mapping) {
        report_wrong(draft, node, path_.empty() ? "top level" : path_, "a mapping of keys to values");
        return;
    }
    std::vector<std::string_view> known(required);
    known.insert(known.end(), optional);
    std::unordered_map<std::string_view, Mark> seen;
    for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
        const Node& key = node.items[i];
        const Node& value = node.items[i + 1];
        const std::string owner = path_.empty() ? "top level" : path_;
        if (key.kind == Node::Kind::refused) continue;
        if (key.kind != Node::Kind::scalar) {
            draft.report.add(key.mark, owner, describe(key) + " cannot be a key");
            continue;
        }
        const auto [first, is_new] = seen.try_emplace(key.text, key.mark);
        if (!is_new) {
            draft.report.add(key.mark, owner,
                             quoted(key.text) + " is given twice; first on line " + std::to_string(first->second.line));
        } else if (const auto name = std::ranges::find(known, key.text); name != known.end()) {
            values_.emplace_back(*name, &value);
            draft.written.insert(path_of(*name));
        } else {
            report_key(key, value, known, impossible);
        }
    }
    for (const auto key : required)
        if (find(key) == nullptr && std::ranges::find(misspelled_, key) == misspelled_.end())
            draft.report.add(node.mark, path_.empty() ? "top level" : path_, quoted(key) + " is missing");
}

void Section::report_key(const Node& key, const Node& value, std::span<const std::string_view> known,
                         ImpossibleKeys impossible) {
    for (const auto& [name, reason] : impossible)
        if (key.text == name)
            return draft_.report.add(key.mark, at_key(path_, name), describe(value).append(" ").append(reason));
    const std::string_view meant = nearest(key.text, known);
    if (!meant.empty()) {
        misspelled_.push_back(meant);
        draft_.written.insert(path_of(meant));
    }
    const std::string hint = meant.empty() ? "; known here: " + join(known) : "; did you mean " + quoted(meant) + "?";
    draft_.report.add(key.mark, path_.empty() ? "top level" : path_, quoted(key.text) + " is not a known key" + hint);
}

std::string Section::path_of(std::string_view key) const {
    return at_key(path_, key);
}

const Node* Section::find(std::string_view key) const {
    const auto found = std::ranges::find(values_, key, [](const auto& value) { return value.first; });
    return found == values_.end() ? nullptr : found->second;
}

std::optional<std::string> Section::text(std::string_view key, std::size_t max_bytes) {
    const Node* node = find(key);
    if (node == nullptr) return std::nullopt;
    if (node->kind != Node::Kind::scalar || node->text.empty() || node->is_null() || node->text.size() > max_bytes ||
        has_control_character(node->text)) {
        report_wrong(draft_, *node, path_of(key), "text of 1 to " + std::to_string(max_bytes) + " bytes on one line");
        return std::nullopt;
    }
    valid(key, *node);
    return node->text;
}

std::optional<std::uint32_t> Section::number(std::string_view key, std::uint32_t min, std::uint32_t max) {
    const Node* node = find(key);
    if (node == nullptr) return std::nullopt;
    const auto value = node->kind == Node::Kind::scalar && node->plain ? parse_number(node->text) : std::nullopt;
    if (!value || *value < min || *value > max) {
        const bool is_quoted = node->kind == Node::Kind::scalar && !node->plain;
        report_wrong(draft_, *node, path_of(key),
                     "a whole number from " + std::to_string(min) + " to " + std::to_string(max) +
                         (is_quoted ? " (it is quoted: that makes it text)" : ""));
        return std::nullopt;
    }
    valid(key, *node);
    return value;
}

std::optional<wire::Ipv4Address> Section::address(std::string_view key) {
    const Node* node = find(key);
    return node == nullptr ? std::nullopt : read_host_address(draft_, *node, path_of(key));
}

std::optional<wire::MacAddress> Section::mac(std::string_view key) {
    const Node* node = find(key);
    if (node == nullptr) return std::nullopt;
    const auto value = node->kind == Node::Kind::scalar ? wire::MacAddress::parse(node->text) : std::nullopt;
    if (!value || value->is_group() || value->is_zero()) {
        report_wrong(draft_, *node, path_of(key), "a unicast MAC address such as 02:00:00:00:00:01");
        return std::nullopt;
    }
    valid(key, *node);
    return value;
}

std::span<const Node> Section::list(std::string_view key) {
    const Node* node = find(key);
    if (node == nullptr) return {};
    if (node->kind != Node::Kind::sequence) {
        report_wrong(draft_, *node, path_of(key), "a list");
        return {};
    }
    valid(key, *node);
    return node->items;
}

}  // namespace dsr::config
