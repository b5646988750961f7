// A YAML document as a tree of nodes with their places. The only user of libyaml.
// Knows nothing of which keys exist. Refuses what a configuration does not need: anchors, aliases, tags, a second
// document.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/report.hpp"

namespace dsr::config {

struct Node {
    enum class Kind : unsigned char { scalar, sequence, mapping, refused };  // refused: already reported

    Kind kind = Kind::refused;
    bool plain = false;       // scalar written without quotes
    Mark mark;                // its first character
    std::string text;         // scalar: as written, without quotes
    std::vector<Node> items;  // sequence: elements; mapping: key, value, key, value, ...

    // Nothing was written where a value could be: `key:`, `~` or `null`.
    [[nodiscard]] bool is_null() const {
        return kind == Kind::scalar && plain && (text.empty() || text == "~" || text == "null");
    }
};

// More than the schema's own depth, so that a value nested too deep is reported by the schema.
inline constexpr std::size_t kMaxDepth = 16;

// The document's root, or nullopt when the text is no YAML, nested deeper than kMaxDepth or empty; problems go to
// `report`.
std::optional<Node> read_tree(std::string_view yaml, Report& report);

}  // namespace dsr::config
