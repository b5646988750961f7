// Files of the host, each replaced as a whole or not at all. Knows nothing of what is in them.
#pragma once

#include <optional>
#include <string>

#include "common/sys/error.hpp"
#include "serverprep/persist/persistence.hpp"

namespace dsr::serverprep::persist {

// What stands at a path: text of a file, or where a link points.
struct Standing {
    std::string content;
    mode_t mode = 0;  // permissions; 0 for a link
    bool is_link = false;
};

// Below `root`: "/" or the directory that stands for it in a test. Nothing when there is nothing.
Result<std::optional<Standing>> look_at(const std::string& root, const std::string& path);
// Makes missing directories; durable when it returns. What was there is there still, whole, when it fails.
Result<void> put(const std::string& root, const PersistentFile& file);
// Also what an interrupted put() left behind. Fine when there is nothing.
Result<void> take_away(const std::string& root, const std::string& path);

std::string below(const std::string& root, const std::string& path);

}  // namespace dsr::serverprep::persist
