#include "lb/control/offline_table.hpp"

#include <cstdio>

#include "common/config/reader.hpp"
#include "lb/control/interfaces.hpp"

namespace dsr::lb {

std::expected<OfflineTable, std::vector<std::string>> load_offline_table(const std::string& config_path) {
    auto config = config::read_file(config_path);
    if (!config) {
        std::vector<std::string> lines;
        for (const auto& problem : config.error())
            lines.push_back(to_string(problem));
        return std::unexpected(lines);
    }
    const auto refuse = [](const Error& error) { return std::unexpected(std::vector{"lb: " + error.message}); };
    const auto interfaces = interfaces_of_file(config->load_balancer);
    if (!interfaces) return refuse(interfaces.error());
    NeighborMacs neighbors;
    for (const auto& neighbor : config->load_balancer.neighbors)
        neighbors.emplace(neighbor.address, neighbor.mac);
    OfflineTable offline{*std::move(config), {}, nullptr};
    RingCache rings;
    auto table = build_forwarding_table(offline.config, data_plane_interfaces(*interfaces), neighbors,
                                        offline.identities, rings);
    if (!table) return refuse(table.error());
    offline.table = *std::move(table);
    return offline;
}

int report_problems(const std::vector<std::string>& problems) {
    for (const auto& problem : problems)
        std::fprintf(stderr, "%s\n", problem.c_str());
    return 2;
}

}  // namespace dsr::lb
