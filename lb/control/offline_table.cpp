#include "lb/control/offline_table.hpp"

#include "lb/control/console.hpp"
#include "lb/control/interfaces.hpp"

namespace dsr::lb {

std::optional<OfflineTable> load_offline_table(const std::string& config_path) {
    auto config = read_config(config_path);
    if (!config) return std::nullopt;
    OfflineTable offline{*std::move(config), {}, nullptr};
    const auto interfaces = interfaces_of_file(offline.config.load_balancer);
    if (!interfaces) {
        say(interfaces.error().message);
        return std::nullopt;
    }
    NeighborMacs neighbors;
    for (const auto& neighbor : offline.config.load_balancer.neighbors)
        neighbors.emplace(neighbor.address, neighbor.mac);
    RingCache rings;
    auto table = build_forwarding_table(offline.config, data_plane_interfaces(*interfaces), neighbors, true,
                                        offline.identities, rings);
    if (!table) {
        say(table.error().message);
        return std::nullopt;
    }
    offline.table = *std::move(table);
    return offline;
}

}  // namespace dsr::lb
