// The forwarding table as a configuration file alone gives it: for replay and explain, which ask no kernel.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "common/config/model.hpp"
#include "lb/dataplane/forwarding_table.hpp"
#include "lb/state/build_table.hpp"

namespace dsr::lb {

struct OfflineTable {
    config::Config config;
    Identities identities;
    std::unique_ptr<const ForwardingTable> table;
};

// Errors are complete lines for stderr.
std::expected<OfflineTable, std::vector<std::string>> load_offline_table(const std::string& config_path);

// Writes them to stderr; returns exit code 2.
int report_problems(const std::vector<std::string>& problems);

}  // namespace dsr::lb
