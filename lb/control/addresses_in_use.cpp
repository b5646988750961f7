#include "lb/control/addresses_in_use.hpp"

#include <algorithm>

#include "lb/state/build_table.hpp"

namespace dsr::lb {

std::vector<config::Server> servers_in_use(const config::Config& config) {
    std::vector<config::Server> servers;
    for (const std::size_t pool : pools_in_use(config))
        std::ranges::copy_if(config.pools[pool].servers, std::back_inserter(servers),
                             [](const auto& server) { return server.state != config::ServerState::disabled; });
    return servers;
}

std::set<wire::Ipv4Address> addresses_in_use(const config::Config& config) {
    std::set<wire::Ipv4Address> addresses;
    for (const std::size_t pool : pools_in_use(config))
        for (const auto& server : config.pools[pool].servers)
            addresses.insert(server.address);
    return addresses;
}

std::set<wire::Ipv4Address> vips_of(const config::Config& config) {
    std::set<wire::Ipv4Address> vips;
    for (const auto& service : config.virtual_services)
        vips.insert(service.vip);
    return vips;
}

WantedNeighbors wanted_neighbors(const config::Config& config, const NextHops& hops,
                                 const std::vector<HostInterface>& host_interfaces) {
    WantedNeighbors wanted;
    // A static MAC address counts wherever it is given.
    const auto add = [&](wire::Ipv4Address address, std::uint8_t interface, std::optional<wire::MacAddress> mac) {
        WantedNeighbor& one = wanted[address];
        one.interface = interface;
        if (mac) one.mac = mac;
    };
    for (const auto& server : servers_in_use(config))
        if (const auto hop = hops.find(server.address); hop != hops.end())
            add(hop->second.address, hop->second.interface,
                hop->second.address == server.address ? server.mac : std::nullopt);
    for (std::size_t i = 0; i < host_interfaces.size(); ++i)
        if (const auto& gateway = host_interfaces[i].gateway) add(*gateway, static_cast<std::uint8_t>(i), std::nullopt);
    const auto interfaces = data_plane_interfaces(host_interfaces);
    for (const auto& neighbor : config.load_balancer.neighbors) {
        // On a /32, a gateway is reached without being in the network.
        if (const auto known = wanted.find(neighbor.address); known != wanted.end())
            known->second.mac = neighbor.mac;
        else if (const auto interface = interface_towards(interfaces, neighbor.address))
            add(neighbor.address, *interface, neighbor.mac);
    }
    return wanted;
}

}  // namespace dsr::lb
