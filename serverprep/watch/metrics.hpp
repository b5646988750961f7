// What the guard knows, as a text for the textfile collector of Prometheus' node_exporter. Knows the format and how to
// replace the file; decides nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/judge/finding.hpp"

namespace dsr::serverprep {

struct Metrics {
    using Time = std::chrono::system_clock::time_point;

    bool ok = false;
    std::size_t vips = 0;
    std::vector<Finding> findings;
    std::map<std::string, std::uint64_t> repairs;  // by object
    std::size_t fights = 0;
    std::optional<Time> last_check;  // that could see the host
    std::optional<Time> last_repair;
    std::map<std::string, std::uint64_t> decapsulation;  // packets, by what became of them
};

// Every id has its line for either severity, with 0 when there is no such finding: a series that does not come and go.
std::string render(const Metrics& metrics);

}  // namespace dsr::serverprep
