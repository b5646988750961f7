#include "verify/target.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace dsr::verify {
namespace {

// Members that the ring gives new flows to; draining and disabled ones get none, so nothing is to be shown of them.
std::vector<Server> active_servers(const config::Pool& pool) {
    std::vector<Server> servers;
    for (const config::Server& server : pool.servers)
        if (server.state == config::ServerState::enabled && server.weight > 0)
            servers.push_back({server.address, server.weight, server.mac});
    return servers;
}

Target target_of(const config::Config& config, const config::VirtualService& service, std::uint16_t port) {
    return {service.vip, port, config.network_profiles[service.network_profile].protocol,
            active_servers(config.pools[service.pool]), config.load_balancer.maglev_table_size};
}

bool has_port(const config::VirtualService& service, std::uint16_t port) {
    return std::ranges::any_of(
        service.ports, [port](const config::PortRange& range) { return range.first <= port && port <= range.last; });
}

}  // namespace

std::string to_string(const Target& target) {
    return fmt::format("{}:{}/{}", wire::to_string(target.vip), target.port,
                       target.protocol == Protocol::udp ? "udp" : "tcp");
}

Result<Target> parse_target(std::string_view text) {
    Target target;
    std::string_view rest = text;
    if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
        const std::string_view protocol = rest.substr(slash + 1);
        if (protocol != "tcp" && protocol != "udp")
            return fail(fmt::format("'{}': the protocol is tcp or udp, not '{}'", text, protocol));
        if (protocol == "udp") target.protocol = Protocol::udp;
        rest = rest.substr(0, slash);
    }
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos)
        return fail(fmt::format("'{}' names no port: write it as 203.0.113.10:80 or 203.0.113.10:53/udp", text));
    const auto vip = wire::Ipv4Address::parse(rest.substr(0, colon));
    if (!vip) return fail(fmt::format("'{}': '{}' is no IPv4 address", text, rest.substr(0, colon)));
    if (vip->is_unspecified() || vip->is_loopback() || vip->is_multicast() || vip->is_broadcast())
        return fail(fmt::format("'{}': '{}' cannot be a VIP", text, rest.substr(0, colon)));
    const std::string_view digits = rest.substr(colon + 1);
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), target.port);
    if (error != std::errc{} || stop != digits.data() + digits.size() || target.port == 0)
        return fail(fmt::format("'{}': '{}' is no port (1..65535)", text, digits));
    target.vip = *vip;
    return target;
}

std::vector<Target> targets_of(const config::Config& config) {
    std::vector<Target> targets;
    for (const config::VirtualService& service : config.virtual_services)
        for (const config::PortRange& range : service.ports)
            targets.push_back(target_of(config, service, range.first));
    return targets;
}

Result<Target> with_config(const Target& target, const config::Config& config) {
    for (const config::VirtualService& service : config.virtual_services)
        if (service.vip == target.vip && has_port(service, target.port) &&
            config.network_profiles[service.network_profile].protocol == target.protocol)
            return target_of(config, service, target.port);
    return fail(fmt::format("'{}' is no virtual service of the configuration file", to_string(target)));
}

}  // namespace dsr::verify
