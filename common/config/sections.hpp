// The four sections of the file, each from its YAML node into the draft. Here the keys have their names, ranges and
// defaults (the model's); rules that need two values are in check.hpp.
#pragma once

#include "common/config/draft.hpp"
#include "common/config/yaml_tree.hpp"

namespace dsr::config {

inline constexpr std::size_t kMaxNameBytes = 64;  // of profiles, pools and services

void read_load_balancer(Draft& draft, const Node& node);
void read_network_profiles(Draft& draft, const Node& node);
void read_pools(Draft& draft, const Node& node);
// After the profiles and pools, to which it refers by name.
void read_virtual_services(Draft& draft, const Node& node);

}  // namespace dsr::config
