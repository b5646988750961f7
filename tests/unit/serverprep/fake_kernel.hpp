// A kernel in memory that behaves as Linux does where serverprep depends on it, the side effects of ip_forward
// included. Can refuse, ignore or "be killed at" the n-th change, so that a test can try every point at which a run may
// break off.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

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
    Result<std::vector<netlink::Address>> addresses() override { return address_list; }
    Result<std::vector<netlink::Route>> routes() override { return route_list; }
    std::optional<int> link_towards(wire::Ipv4Address destination) override {
        for (const netlink::Address& address : address_list)
            if (address.prefix.contains(destination)) return address.link_index;
        return std::nullopt;
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
    Result<void> add(const netlink::Address& address) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        address_list.push_back(address);
        return {};
    }
    Result<void> remove(const netlink::Address& address) override {
        if (auto allowed = count_change(); !allowed) return allowed;
        const auto erased = std::erase_if(address_list, [&](const netlink::Address& candidate) {
            return candidate.link_index == address.link_index && candidate.prefix == address.prefix;
        });
        if (erased == 0) return fail("no such address");
        return {};
    }

    // What a user can see of the host.
    [[nodiscard]] auto dump() const { return std::pair(settings, address_list); }
    std::uint32_t& at(SettingName name, const std::string& where = {}) { return settings.at({name, where}); }
    void add_link(int index, const std::string& name, bool loopback) {
        netlink::Link link;
        link.index = index;
        link.name = name;
        link.up = true;
        link.loopback = loopback;
        link_list.push_back(link);
        add_conf(name);
    }

    std::vector<netlink::Link> link_list;
    std::vector<netlink::Address> address_list;
    std::vector<netlink::Route> route_list;
    std::map<Setting, std::uint32_t> settings;

    int changes = 0;
    std::optional<int> refuse_change;  // the n-th from now on, counted from 0; later ones succeed
    std::optional<int> kill_before_change;
    std::optional<Setting> ignored;  // writes succeed and do nothing

private:
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
