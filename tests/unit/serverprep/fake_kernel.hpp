// A kernel in memory that behaves as Linux does where serverprep depends on it, the side effects of ip_forward
// included. Can refuse, ignore or "be killed at" the n-th change, so that a test can try every point at which a run may
// break off.
#pragma once

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "serverprep/desired.hpp"
#include "serverprep/kernel/kernel.hpp"

namespace dsr::serverprep {

inline wire::Ipv4Address ip(const char* text) {
    return wire::Ipv4Address::parse(text).value();
}
inline wire::Ipv4Prefix prefix(const char* text) {
    return wire::Ipv4Prefix::parse(text).value();
}

// Thrown where a SIGKILL would end the process.
struct Killed : std::runtime_error {
    Killed() : std::runtime_error("killed") {}
};

class FakeKernel final : public Kernel {
public:
    // A host as Debian boots it: eth0 10.0.0.11/24 with the default route, eth1 192.168.5.11/24, all settings default.
    FakeKernel() {
        add_link(1, "lo", true);
        add_link(2, "eth0", false);
        add_link(3, "eth1", false);
        settings[{SettingName::link_up, "lo"}] = 1;
        settings[{SettingName::link_arp, "lo"}] = 1;
        settings[{SettingName::ip_forward, {}}] = 0;
        for (const char* where : {"all", "default"})
            add_conf(where);
        settings[{SettingName::accept_redirects, "all"}] = 1;
        address_list = {{1, prefix("127.0.0.1/8"), "lo", netlink::kScopeHost, 0},
                        {2, prefix("10.0.0.11/24"), "eth0", netlink::kScopeGlobal, 0},
                        {3, prefix("192.168.5.11/24"), "eth1", netlink::kScopeGlobal, 0}};
        netlink::Route route;
        route.destination = prefix("0.0.0.0/0");
        route.link_index = 2;
        route.gateway = ip("10.0.0.1");
        route_list = {route};
    }

    Result<std::vector<netlink::Link>> links() override { return link_list; }
    // As udev does it: a moment after the device has come up.
    void let_others_write() {
        const auto found = settings.find(overwritten.first);
        if (overwrites == 0 || found == settings.end() || found->second == overwritten.second) return;
        if (settings.at({SettingName::link_up, overwritten.first.where}) == 0) return;
        --overwrites;
        found->second = overwritten.second;
    }
    Result<std::vector<netlink::Address>> addresses() override { return address_list; }
    Result<std::vector<netlink::Route>> routes() override {
        let_others_write();
        return route_list;
    }
    Result<std::vector<netlink::Tunnel>> tunnels() override {
        for (netlink::Tunnel& tunnel : tunnel_list)
            tunnel.up = settings.at({SettingName::link_up, tunnel.name}) != 0;
        return tunnel_list;
    }
    bool has_ipip() override { return ipip; }
    bool has_bpf() override { return bpf; }
    Result<std::vector<Filter>> filters() override {
        if (!filters_readable) return fail("reading filters needs CAP_SYS_ADMIN");
        return filter_list;
    }
    Result<std::vector<FilterCounters>> counters() override { return std::vector<FilterCounters>{}; }
    Result<std::vector<Clsact>> clsacts() override { return clsact_list; }
    Result<std::vector<netlink::Listener>> listeners() override { return listener_list; }

    PacketFilterText packet_filter() override { return filter_text; }

    // Local addresses, connected subnets, then the first default route; strict filtering is by the way out.
    netlink::RouteLookup lookup(const netlink::RouteQuery& query) override {
        netlink::RouteLookup found = way_to(query.destination);
        if (query.input_link_index && query.source && found.error == 0) {
            const netlink::RouteLookup back = way_to(*query.source);
            const std::string name = name_of(*query.input_link_index);
            const std::uint32_t filter =
                std::max(settings.at({SettingName::rp_filter, "all"}), settings.at({SettingName::rp_filter, name}));
            const bool other = back.error != 0 || back.link_index != *query.input_link_index;
            const bool numbered = std::ranges::find(address_list, *query.input_link_index,
                                                    &netlink::Address::link_index) != address_list.end();
            if ((filter == 1 && other) || (filter != 0 && other && !numbered)) found.error = EXDEV;
        }
        return found;
    }
    Result<std::uint32_t> read(const Setting& setting) override {
        const auto found = settings.find(setting);
        if (found == settings.end()) return fail("no such setting " + to_string(setting));
        return found->second;
    }

    Result<void> write(const Setting& setting, std::uint32_t value) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        if (setting == ignored) return {};
        const bool differs = settings.at(setting) != value;
        settings.at(setting) = value;
        if (setting.name == SettingName::ip_forward && differs) {
            for (auto& [other, number] : settings)
                if (other.name == SettingName::forwarding && other.where != kAll) number = value;
            settings.at({SettingName::accept_redirects, "all"}) = value == 0 ? 1 : 0;
        }
        return {};
    }
    Result<void> add(const std::string& link, const netlink::Address& address) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        address_list.push_back(address);
        address_list.back().link_index = index_of(link);
        return {};
    }
    Result<void> remove(const std::string& link, const netlink::Address& address) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        if (refuse_removals) return fail("Device or resource busy");
        const auto erased = std::erase_if(address_list, [&](const netlink::Address& candidate) {
            return candidate.link_index == index_of(link) && candidate.prefix == address.prefix;
        });
        if (erased == 0) return fail("no such address");
        return {};
    }
    Result<void> add(const netlink::Tunnel& tunnel) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        if (!ipip) return fail("Unknown device type");
        const int index = next_index_++;
        add_link(index, tunnel.name, false);
        link_list.back().arp = false;
        settings[{SettingName::link_up, tunnel.name}] = 0;
        for (SettingName name : {SettingName::rp_filter, SettingName::forwarding})
            settings[{name, tunnel.name}] = settings.at({name, "default"});
        tunnel_list.push_back(tunnel);
        tunnel_list.back().link_index = index;
        return {};
    }
    Result<void> remove(const netlink::Tunnel& tunnel) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        const int index = index_of(tunnel.name);
        std::erase_if(tunnel_list, [&](const netlink::Tunnel& other) { return other.name == tunnel.name; });
        std::erase_if(link_list, [&](const netlink::Link& link) { return link.index == index; });
        std::erase_if(address_list, [&](const netlink::Address& address) { return address.link_index == index; });
        std::erase_if(settings, [&](const auto& entry) { return entry.first.where == tunnel.name; });
        std::erase_if(filter_list, [&](const Filter& filter) { return filter.link == tunnel.name; });
        std::erase_if(clsact_list, [&](const Clsact& clsact) { return clsact.link == tunnel.name; });
        return {};
    }
    Result<void> add_clsact(const std::string& link) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        clsact_list.push_back({link, 0});
        return {};
    }
    Result<void> remove_clsact(const std::string& link) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        std::erase_if(filter_list, [&](const Filter& filter) { return filter.link == link; });
        std::erase_if(clsact_list, [&](const Clsact& clsact) { return clsact.link == link; });
        return {};
    }
    Result<void> install(const Filter& filter) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        if (std::ranges::find(clsact_list, filter.link, &Clsact::link) == clsact_list.end())
            return fail("there is no clsact on " + filter.link);
        erase(filter);
        filter_list.push_back(filter);
        return {};
    }
    Result<void> uninstall(const Filter& filter) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        erase(filter);
        return {};
    }

    // What a user can see of the host.
    [[nodiscard]] auto dump() {
        (void)tunnels();  // which knows whether they are up
        return std::tuple(settings, address_list, tunnel_list, clsact_list, filter_list);
    }
    std::uint32_t& at(SettingName name, const std::string& where = {}) { return settings.at({name, where}); }
    void add_link(int index, const std::string& name, bool loopback) {
        netlink::Link link;
        link.index = index;
        link.name = name;
        link.up = true;
        link.mtu = loopback ? 65536 : 1500;
        link.loopback = loopback;
        link_list.push_back(link);
        add_conf(name);
    }

    std::vector<netlink::Link> link_list;
    std::vector<netlink::Address> address_list;
    std::vector<netlink::Route> route_list;
    std::map<Setting, std::uint32_t> settings;
    std::vector<netlink::Tunnel> tunnel_list;
    std::vector<Clsact> clsact_list;
    std::vector<Filter> filter_list;
    std::vector<netlink::Listener> listener_list;
    PacketFilterText filter_text;
    bool ipip = false;
    bool bpf = true;
    bool filters_readable = true;
    bool refuse_removals = false;  // of addresses

    int changes = 0;
    std::optional<int> refuse_change;  // the n-th from now on, counted from 0; later ones succeed
    std::optional<int> kill_before_change;
    std::optional<Setting> ignored;                 // writes succeed and do nothing
    std::pair<Setting, std::uint32_t> overwritten;  // by somebody else, `overwrites` times
    int overwrites = 0;

private:
    [[nodiscard]] std::string name_of(int index) const {
        return std::ranges::find(link_list, index, &netlink::Link::index)->name;
    }
    [[nodiscard]] int index_of(const std::string& name) const {
        const auto found = std::ranges::find(link_list, name, &netlink::Link::name);
        if (found == link_list.end()) throw std::logic_error("no link " + name);
        return found->index;
    }
    void erase(const Filter& filter) {
        std::erase_if(filter_list,
                      [&](const Filter& other) { return other.role == filter.role && other.link == filter.link; });
    }
    [[nodiscard]] netlink::RouteLookup way_to(wire::Ipv4Address destination) const {
        netlink::RouteLookup found;
        for (const netlink::Address& address : address_list)
            if (address.prefix.address == destination) {
                found.type = netlink::kRouteLocal;
                found.link_index = 1;
                return found;
            }
        found.type = netlink::kRouteUnicast;
        for (const netlink::Address& address : address_list)
            if (address.link_index != 1 && address.prefix.length < 32 && address.prefix.contains(destination)) {
                found.link_index = address.link_index;
                return found;
            }
        const auto route = std::ranges::find(route_list, 0, [](const netlink::Route& candidate) {
            return static_cast<int>(candidate.destination.length);
        });
        if (route == route_list.end()) {
            found.error = ENETUNREACH;
            found.words = "Network is unreachable";
            return found;
        }
        found.link_index = route->link_index;
        found.gateway = route->gateway;
        return found;
    }

    int next_index_ = 100;
    void add_conf(const std::string& where) {
        for (SettingName name :
             {SettingName::arp_ignore, SettingName::arp_announce, SettingName::rp_filter, SettingName::forwarding})
            settings[{name, where}] = 0;
        settings[{SettingName::send_redirects, where}] = 1;
    }
    Result<void> count_change() {
        const int number = changes++;
        if (number == kill_before_change) throw Killed();
        if (number == refuse_change) return fail("Read-only file system");
        return {};
    }
};

inline Request request_for(std::vector<wire::Ipv4Address> vips) {
    Request request;
    request.vips = std::move(vips);
    return request;
}

}  // namespace dsr::serverprep
