#include "lb/control/explain.hpp"

#include <charconv>
#include <cstdio>
#include <optional>

#include "common/ring/flow_hash.hpp"
#include "common/ring/maglev.hpp"
#include "common/sys/terminal.hpp"
#include "lb/control/console.hpp"
#include "lb/control/status.hpp"
#include "lb/state/build_table.hpp"

namespace dsr::lb {
namespace {

struct Endpoint {
    wire::Ipv4Address address;
    std::uint16_t port = 0;
};

std::optional<Endpoint> parse_endpoint(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const auto address = wire::Ipv4Address::parse(text.substr(0, colon));
    Endpoint endpoint;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, endpoint.port);
    if (!address || error != std::errc{} || stop != end || endpoint.port == 0) return std::nullopt;
    endpoint.address = *address;
    return endpoint;
}

const config::VirtualService* find_service(const config::Config& config, const Endpoint& vip,
                                           config::Protocol protocol) {
    for (const auto& service : config.virtual_services) {
        if (service.vip != vip.address || config.network_profiles[service.network_profile].protocol != protocol)
            continue;
        for (const auto& range : service.ports)
            if (vip.port >= range.first && vip.port <= range.last) return &service;
    }
    return nullptr;
}

int report(const std::string& message, int exit_code) {
    say(message);
    return exit_code;
}

// What the path leaves for the IP packet: Layer 2 adds nothing. The smallest configured MTU; 1500 where none is given.
std::uint32_t mtu_left(const config::Config& config) {
    std::uint32_t mtu = 65535;
    for (const auto& interface : config.load_balancer.interfaces)
        mtu = std::min(mtu, interface.mtu.value_or(1500));
    return mtu;
}

void print_text(const Json& answer) {
    std::vector<std::vector<sys::Cell>> rows;
    for (const auto& [key, value] : answer.items())
        if (!value.is_null())
            rows.push_back({sys::Cell{key, sys::Colour::dim},
                            sys::Cell{value.is_string() ? value.get<std::string>() : value.dump()}});
    std::fputs(sys::format_table(rows, sys::Painter(stdout)).c_str(), stdout);
}

}  // namespace

int explain(const ExplainOptions& options) {
    const auto source = parse_endpoint(options.source);
    const auto destination = parse_endpoint(options.destination);
    if (!source) return report("'" + options.source + "' is not ADDRESS:PORT", 2);
    if (!destination) return report("'" + options.destination + "' is not VIP:PORT", 2);
    const auto config = read_config(options.config);
    if (!config) return 2;
    const config::VirtualService* service = find_service(*config, *destination, options.protocol);
    if (service == nullptr)
        return report(
            "no virtual service has " + std::string(protocol_text(options.protocol)) + " " + options.destination, 1);

    const config::Pool& pool = config->pools[service->pool];
    const std::vector<ring::Server> members = ring_members(pool);
    const auto table = ring::build_table(members, config->load_balancer.maglev_table_size);
    if (!table) return report(table.error(), 2);
    if (table->empty()) return report("pool '" + pool.name + "' has no server that takes new flows", 1);

    const wire::FlowKey flow{source->address, destination->address, source->port, destination->port,
                             static_cast<std::uint8_t>(options.protocol)};
    const std::uint32_t slot = ring::slot_of(ring::flow_hash(flow), static_cast<std::uint32_t>(table->size()));
    const config::NetworkProfile& profile = config->network_profiles[service->network_profile];
    const bool layer2 = profile.dsr_type == config::DsrType::l2;
    const std::uint32_t mtu = mtu_left(*config);
    Json answer = {
        {"flow", options.source + " -> " + options.destination + " " + std::string(protocol_text(options.protocol))},
        {"service", service->name},
        {"pool", pool.name},
        {"server", wire::to_string(members[(*table)[slot]].address)},
        {"slot", slot},
        {"slots", table->size()},
        {"dsr_type", layer2 ? "l2" : "l3"},
        {"encapsulation", layer2 ? "none: only the MAC addresses are rewritten" : "IP-in-IP, 20 bytes"},
        {"mtu_left", layer2 ? mtu : mtu - 20}};
    if (profile.per_packet) {
        answer["server"] = nullptr;
        answer["slot"] = nullptr;
        answer["per_packet"] = "every datagram is hashed anew: any server of the pool, by its share of the slots";
    }
    if (options.json)
        std::printf("%s\n", answer.dump().c_str());
    else
        print_text(answer);
    return 0;
}

}  // namespace dsr::lb
