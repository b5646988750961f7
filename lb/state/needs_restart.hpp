// Which settings a running lb cannot take over.
#pragma once

#include <optional>
#include <string>

#include "common/config/model.hpp"

namespace dsr::lb {

// The first key of the section load_balancer that differs and takes effect only at the start; nullopt when a reload can
// do it all. (neighbors, maglev_table_size and new_flows_per_second can.)
std::optional<std::string> needs_restart(const config::LoadBalancer& running, const config::LoadBalancer& wanted);

}  // namespace dsr::lb
