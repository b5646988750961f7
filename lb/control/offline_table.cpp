#include "lb/control/offline_table.hpp"

#include "lb/control/console.hpp"
#include "lb/control/interfaces.hpp"
#include "lb/control/next_hops.hpp"

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
    Network network{data_plane_interfaces(*interfaces), {}, {}};
    std::set<wire::Ipv4Address> servers;
    for (const auto& pool : offline.config.pools)
        for (const auto& server : pool.servers)
            servers.insert(server.address);
    network.next_hops = next_hops_of_file(*interfaces, servers);
    for (const auto& neighbor : offline.config.load_balancer.neighbors)
        network.macs.emplace(neighbor.address, neighbor.mac);
    RingCache rings;
    auto table = build_forwarding_table(offline.config, network, true, offline.identities, rings);
    if (!table) {
        say(table.error().message);
        return std::nullopt;
    }
    offline.table = *std::move(table);
    return offline;
}

}  // namespace dsr::lb
