// A configuration while it is read: the values so far, where each was written, and what is wrong.
// Shared by the steps of reading (section.hpp, reader.cpp, check.hpp); not for users of a configuration.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/config/model.hpp"
#include "common/config/report.hpp"

namespace dsr::config {

// One entry of a service's port list. (The model's own list is sorted.)
struct PlacedPort {
    std::size_t service = 0;
    PortRange range;
    Mark mark;
    std::string path;
};

struct Draft {
    Report report;
    Config config;
    // Path -> place of every value that was written and is valid by itself. What is absent here was left out or is
    // already reported: checks across values leave it alone, unless what is left out counts as well.
    std::unordered_map<std::string, Mark> places;
    // Paths of the known keys that were written, or misspelled, also those whose values are wrong.
    std::unordered_set<std::string> written;
    std::vector<PlacedPort> ports;

    [[nodiscard]] std::optional<Mark> place(const std::string& path) const {
        const auto found = places.find(path);
        return found == places.end() ? std::nullopt : std::optional(found->second);
    }
    // Its default is what the user chose.
    [[nodiscard]] bool left_out(const std::string& path) const { return !written.contains(path); }
};

inline std::string element(std::string_view path, std::size_t index) {
    return std::string(path).append("[").append(std::to_string(index)).append("]");
}

}  // namespace dsr::config
