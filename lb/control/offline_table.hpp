// The forwarding table as a configuration file alone gives it: for replay, which asks no kernel.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/config/model.hpp"
#include "lb/dataplane/forwarding_table.hpp"
#include "lb/state/build_table.hpp"

namespace dsr::lb {

struct OfflineTable {
    config::Config config;
    Identities identities;
    std::unique_ptr<const ForwardingTable> table;
};

// nullopt after everything that is wrong was reported on standard error.
std::optional<OfflineTable> load_offline_table(const std::string& config_path);

}  // namespace dsr::lb
