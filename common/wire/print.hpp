// One line of text for one frame, in the style of tcpdump -e. For people; nothing parses it.
#pragma once

#include <span>
#include <string_view>

#include "common/wire/headers.hpp"

namespace dsr::wire {

// Long enough for every line print_frame can write.
inline constexpr std::size_t kPrintedFrameSize = 512;

// Writes into `out` and returns what was written; a line that does not fit is cut. Malformed frames say what is wrong.
std::string_view print_frame(Bytes frame, std::span<char> out);

}  // namespace dsr::wire
