#include "verify/evidence/counters.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include <fmt/format.h>

namespace dsr::verify {
namespace {

using nlohmann::json;

wire::Ipv4Address address_of(const json& value) {
    const auto text = value.get<std::string>();
    const auto address = wire::Ipv4Address::parse(text);
    if (!address) throw std::invalid_argument(fmt::format("'{}' is no IPv4 address", text));
    return *address;
}

std::uint16_t port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || stop != text.data() + text.size())
        throw std::invalid_argument(fmt::format("'{}' is no port", text));
    return port;
}

// "80,443,8000-8100"
std::vector<config::PortRange> ports_of(const std::string& text) {
    std::vector<config::PortRange> ranges;
    std::string_view rest = text;
    while (!rest.empty()) {
        const auto comma = rest.find(',');
        const std::string_view entry = rest.substr(0, comma);
        const auto dash = entry.find('-');
        const std::uint16_t first = port_of(entry.substr(0, dash));
        ranges.push_back({first, dash == std::string_view::npos ? first : port_of(entry.substr(dash + 1))});
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    return ranges;
}

ServerCounters server_of(const json& value) {
    ServerCounters server;
    server.address = address_of(value.at("address"));
    if (const json& mac = value.at("mac"); !mac.is_null()) {
        server.mac = wire::MacAddress::parse(mac.get<std::string>());
        if (!server.mac) throw std::invalid_argument(fmt::format("'{}' is no MAC address", mac.get<std::string>()));
    }
    server.packets = value.at("packets").get<std::uint64_t>();
    return server;
}

ServiceCounters service_of(const json& value) {
    ServiceCounters service;
    service.vip = address_of(value.at("vip"));
    service.protocol = value.at("protocol").get<std::string>() == "udp" ? Protocol::udp : Protocol::tcp;
    service.ports = ports_of(value.at("ports").get<std::string>());
    service.packets = value.at("packets").get<std::uint64_t>();
    service.return_packets = value.at("return_packets").get<std::uint64_t>();
    for (const json& server : value.at("servers"))
        service.servers.push_back(server_of(server));
    return service;
}

}  // namespace

Result<LbCounters> parse_counters(std::string_view text) {
    try {
        const json document = json::parse(text);
        LbCounters counters;
        counters.received = document.at("received").get<std::uint64_t>();
        for (const json& service : document.at("services"))
            counters.services.push_back(service_of(service));
        return counters;
    } catch (const std::exception& error) {  // what the JSON library throws, and the checks above
        return fail(fmt::format("the load balancer's counters are not understood: {}", error.what()));
    }
}

const ServiceCounters* find_service(const LbCounters& counters, const Target& target) {
    const auto found = std::ranges::find_if(counters.services, [&](const ServiceCounters& service) {
        return service.vip == target.vip && service.protocol == target.protocol &&
               std::ranges::any_of(service.ports, [&](const config::PortRange& range) {
                   return range.first <= target.port && target.port <= range.last;
               });
    });
    return found == counters.services.end() ? nullptr : &*found;
}

}  // namespace dsr::verify
