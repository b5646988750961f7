// How many bytes stand before the IP header in what a filter on a link sees.
#pragma once

#include <cstdint>
#include <string>

#include "common/sys/error.hpp"

namespace dsr::serverprep {

// An error for link types that nobody has tried.
Result<std::uint32_t> link_header_size(const std::string& link);

}  // namespace dsr::serverprep
