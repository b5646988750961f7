#include <algorithm>
#include <span>

#include "common/config/section.hpp"
#include "common/config/sections.hpp"

namespace dsr::config {
namespace {

using std::chrono::seconds;

constexpr std::string_view kNoServerPort =
    "cannot be given: DSR cannot translate ports, because the server gets the client's packet untouched and answers "
    "the "
    "client itself; it must listen on the port of the virtual service";

// Default and range follow the protocol: TCP connections stay idle for long, UDP exchanges do not.
void read_idle_timeout(Draft& draft, Section& section, std::optional<Protocol> protocol, NetworkProfile& profile) {
    const bool tcp = protocol.value_or(Protocol::tcp) == Protocol::tcp;
    profile.session_idle_timeout = tcp ? seconds{300} : seconds{10};
    const Node* node = section.find("session_idle_timeout");
    if (node == nullptr) return;
    // A wrong type must not cause a second error here: then only what suits neither protocol is one.
    const std::uint32_t min = protocol == Protocol::tcp ? 5 : 2;
    const std::uint32_t max = protocol == Protocol::udp ? 3600 : 14400;
    const auto value = node->kind == Node::Kind::scalar && node->plain ? parse_number(node->text) : std::nullopt;
    if (!value || (*value != 0 && (*value < min || *value > max)))
        return report_wrong(draft, *node, section.path_of("session_idle_timeout"),
                            "a whole number of seconds from " + std::to_string(min) + " to " + std::to_string(max) +
                                (protocol ? (tcp ? " for tcp" : " for udp") : "") + ", or 0 for never");
    section.valid("session_idle_timeout", *node);
    profile.session_idle_timeout = seconds{*value};
}

void read_per_packet(Draft& draft, Section& section, std::optional<Protocol> protocol, NetworkProfile& profile) {
    profile.per_packet = section.word<bool>("per_packet", {{"true", true}, {"false", false}}).value_or(false);
    if (profile.per_packet && protocol == Protocol::tcp)
        draft.report.add(section.find("per_packet")->mark, section.path_of("per_packet"),
                         "'true' is only for type udp_fast_path: all packets of a TCP connection must reach the one "
                         "server that has the connection");
}

// A network of addresses that a host could have, or interface, the default. Whether a host has one is check.cpp's.
void read_outer_source(Draft& draft, const Section& section, const Node& node, NetworkProfile& profile) {
    const bool is_scalar = node.kind == Node::Kind::scalar;
    if (is_scalar && node.text == "interface") return;
    const std::string path = section.path_of("outer_source");
    const auto prefix = is_scalar ? wire::Ipv4Prefix::parse(node.text) : std::nullopt;
    if (!prefix || prefix->length < 8 || prefix->length > 30)
        return report_wrong(draft, node, path,
                            "interface or an IPv4 prefix with a length from 8 to 30, such as 10.200.0.0/16");
    if (prefix->address != prefix->network())
        return report_wrong(draft, node, path,
                            "a prefix without host bits: the network is " +
                                to_string(wire::Ipv4Prefix{prefix->network(), prefix->length}));
    // From length 8 on, the first and last address tell for all of them.
    const auto last = wire::Ipv4Address::from_host(prefix->address.host() | ~prefix->mask());
    for (const wire::Ipv4Address address : {prefix->address, last})
        if (const auto reason = not_a_host(address); !reason.empty())
            return draft.report.add(
                node.mark, path,
                quoted(node.text).append(" is no network of hosts: ").append(to_string(address) + " ").append(reason));
    draft.places[path] = node.mark;
    profile.outer_source = prefix;
}

// Keys that say how to encapsulate. True when there is something to encapsulate, or nothing is known about that.
bool suits_l3(Draft& draft, const Section& section, std::string_view key, std::optional<DsrType> type) {
    const Node* node = section.find(key);
    if (node == nullptr || type != DsrType::l2) return true;
    if (node->kind != Node::Kind::refused)
        draft.report.add(
            node->mark, section.path_of(key),
            describe(*node) + " is only for dsr_type l3: l2 rewrites MAC addresses and encapsulates nothing");
    return false;
}

void read_dsr_profile(Draft& draft, const Node& node, const std::string& path, NetworkProfile& profile) {
    Section section(draft, node, path, {"dsr_type"}, {"dsr_encap_type", "outer_source"});
    const auto type = section.word<DsrType>("dsr_type", {{"l2", DsrType::l2}, {"l3", DsrType::l3}});
    profile.dsr_type = type.value_or(DsrType::l2);
    if (suits_l3(draft, section, "dsr_encap_type", type)) section.word<bool>("dsr_encap_type", {{"ipinip", true}});
    const Node* source = section.find("outer_source");
    if (source != nullptr && suits_l3(draft, section, "outer_source", type))
        read_outer_source(draft, section, *source, profile);
}

Server read_server(Draft& draft, const Node& node, const std::string& path) {
    Section section(draft, node, path, {"address"}, {"weight", "state", "mac"},
                    {{"port", kNoServerPort},
                     {"ports", kNoServerPort},
                     {"server_port", kNoServerPort},
                     {"target_port", kNoServerPort}});
    Server server;
    const Node* address = section.find("address");
    const auto colon = address == nullptr ? std::string::npos : address->text.find(':');
    if (colon != std::string::npos && wire::Ipv4Address::parse(std::string_view(address->text).substr(0, colon)))
        draft.report.add(address->mark, section.path_of("address"),
                         quoted(address->text).append(" has a port, which ").append(kNoServerPort));
    else
        server.address = section.address("address").value_or(wire::Ipv4Address{});
    server.weight = section.number("weight", 0, 65535).value_or(1);
    server.state = section
                       .word<ServerState>("state", {{"enabled", ServerState::enabled},
                                                    {"draining", ServerState::draining},
                                                    {"disabled", ServerState::disabled}})
                       .value_or(ServerState::enabled);
    server.mac = section.mac("mac");
    return server;
}

HealthMonitor read_health_monitor(Draft& draft, const Node& node, const std::string& path) {
    Section section(draft, node, path, {"type"}, {"interval", "timeout", "rise", "fall"});
    HealthMonitor monitor;
    monitor.type = section
                       .word<MonitorType>("type", {{"tcp", MonitorType::tcp},
                                                   {"udp", MonitorType::udp},
                                                   {"ping", MonitorType::ping},
                                                   {"none", MonitorType::none}})
                       .value_or(MonitorType::none);
    if (const auto value = section.number("interval", 1, 3600)) monitor.interval = seconds{*value};
    if (const auto value = section.number("timeout", 1, 3600)) monitor.timeout = seconds{*value};
    monitor.rise = section.number("rise", 1, 100).value_or(monitor.rise);
    monitor.fall = section.number("fall", 1, 100).value_or(monitor.fall);
    return monitor;
}

std::optional<PortRange> parse_ports(std::string_view text) {
    const auto dash = text.find('-');
    const auto first = parse_number(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
    if (!first || !last || *first < 1 || *last > 65535 || *first > *last) return std::nullopt;
    return PortRange{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

// Overlaps, within a service as between services, are check.cpp's.
void read_ports(Draft& draft, Section& section, std::size_t service, VirtualService& out) {
    const auto nodes = section.list("ports");
    const std::string path = section.path_of("ports");
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const Node& node = nodes[i];
        const auto range = node.kind == Node::Kind::scalar ? parse_ports(node.text) : std::nullopt;
        if (range) {
            out.ports.push_back(*range);
            draft.ports.push_back({service, *range, node.mark, element(path, i)});
        } else {
            report_wrong(draft, node, element(path, i), "a port from 1 to 65535 or a range such as 8000-8100");
        }
    }
    std::ranges::sort(out.ports, {}, &PortRange::first);
    if (const auto place = draft.place(path); place && nodes.empty())
        draft.report.add(*place, path, "an empty list: a virtual service needs at least one port");
}

// The index of the profile or pool a service names.
template <typename Named>
std::size_t resolve(Draft& draft, Section& section, std::string_view key, std::string_view kind,
                    const std::vector<Named>& all) {
    const auto name = section.text(key, kMaxNameBytes);
    if (!name) return 0;
    const auto found = std::ranges::find(all, *name, &Named::name);
    if (found != all.end()) return static_cast<std::size_t>(found - all.begin());
    constexpr std::size_t kNamesShown = 10;
    std::string known;
    for (const auto& one : std::span(all).first(std::min(all.size(), kNamesShown)))
        if (!one.name.empty()) known.append(known.empty() ? "" : ", ").append(quoted(one.name));
    if (all.size() > kNamesShown) known.append(", ...");
    const std::string path = section.path_of(key);
    draft.report.add(section.find(key)->mark, path,
                     quoted(*name).append(" is the name of no ").append(kind) +
                         (known.empty() ? "; none is defined" : "; defined: " + known));
    draft.places.erase(path);
    return 0;
}

}  // namespace

void read_network_profiles(Draft& draft, const Node& node) {
    if (node.kind != Node::Kind::sequence) return report_wrong(draft, node, "network_profiles", "a list");
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        Section section(draft, node.items[i], element("network_profiles", i), {"name", "type", "dsr_profile"},
                        {"session_idle_timeout", "per_packet"});
        NetworkProfile profile;
        profile.name = section.text("name", kMaxNameBytes).value_or("");
        const auto protocol =
            section.word<Protocol>("type", {{"tcp_fast_path", Protocol::tcp}, {"udp_fast_path", Protocol::udp}});
        profile.protocol = protocol.value_or(Protocol::tcp);
        read_idle_timeout(draft, section, protocol, profile);
        read_per_packet(draft, section, protocol, profile);
        if (const Node* dsr = section.find("dsr_profile"))
            read_dsr_profile(draft, *dsr, section.path_of("dsr_profile"), profile);
        draft.config.network_profiles.push_back(std::move(profile));
    }
}

void read_pools(Draft& draft, const Node& node) {
    if (node.kind != Node::Kind::sequence) return report_wrong(draft, node, "pools", "a list");
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        Section section(draft, node.items[i], element("pools", i), {"name", "servers"}, {"health_monitor"});
        Pool pool;
        pool.name = section.text("name", kMaxNameBytes).value_or("");
        const auto servers = section.list("servers");
        const std::string path = section.path_of("servers");
        for (std::size_t j = 0; j < servers.size(); ++j)
            pool.servers.push_back(read_server(draft, servers[j], element(path, j)));
        if (const auto place = draft.place(path); place && servers.empty())
            draft.report.add(*place, path, "an empty list: a pool needs at least one server");
        if (const Node* monitor = section.find("health_monitor"))
            pool.health_monitor = read_health_monitor(draft, *monitor, section.path_of("health_monitor"));
        draft.config.pools.push_back(std::move(pool));
    }
}

void read_virtual_services(Draft& draft, const Node& node) {
    if (node.kind != Node::Kind::sequence) return report_wrong(draft, node, "virtual_services", "a list");
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        Section section(draft, node.items[i], element("virtual_services", i),
                        {"name", "vip", "ports", "network_profile", "pool"}, {"icmp_echo"});
        VirtualService service;
        service.name = section.text("name", kMaxNameBytes).value_or("");
        service.vip = section.address("vip").value_or(wire::Ipv4Address{});
        read_ports(draft, section, i, service);
        service.network_profile =
            resolve(draft, section, "network_profile", "network profile", draft.config.network_profiles);
        service.pool = resolve(draft, section, "pool", "pool", draft.config.pools);
        service.icmp_echo =
            section.word<IcmpEcho>("icmp_echo", {{"answer", IcmpEcho::answer}, {"forward", IcmpEcho::forward}})
                .value_or(IcmpEcho::answer);
        draft.config.virtual_services.push_back(std::move(service));
    }
}

}  // namespace dsr::config
