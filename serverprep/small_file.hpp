// Small files, read and replaced as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/sys/error.hpp"

namespace dsr::serverprep {

// Nothing if there is no such file.
Result<std::optional<std::string>> read_file_if_there(const std::string& path);

// All of it; false leaves the reason in errno.
bool write_all(int fd, std::string_view text);

// Empty for a file that cannot be read: it then says nothing. (Such files are masked by links to /dev/null, or to
// nothing.)
std::string read_text(const std::string& path);

enum class Durable : std::uint8_t { no, yes };

// The file, mode 0644, is either as it was or complete; Durable::yes: also after a power failure. What is at PATH.new
// is overwritten, unless it is a symbolic link.
Result<void> replace_file(const std::string& path, const std::string& text, Durable durable = Durable::yes);

}  // namespace dsr::serverprep
