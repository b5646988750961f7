// What the kernel says, read once: everything the decisions of serverprep depend on. Decides nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "serverprep/kernel/kernel.hpp"

namespace dsr::serverprep {

inline constexpr const char* kLoopback = "lo";

// The host without regard to any interface in particular.
struct Inventory {
    std::vector<netlink::Link> links;
    std::vector<netlink::Address> addresses;
    std::vector<netlink::Route> routes;
    std::vector<netlink::Tunnel> tunnels;
    std::vector<Clsact> clsacts;
    std::optional<std::vector<Filter>> filters;  // nothing: they could not be read
    std::string why_no_filters;                  // then
    bool has_ipip = false;
    bool has_bpf = false;

    [[nodiscard]] const netlink::Link* link(std::string_view name) const;
    [[nodiscard]] const netlink::Link* link(int index) const;
    [[nodiscard]] bool on_loopback(const netlink::Address& address) const;
    [[nodiscard]] const Filter* filter(FilterRole role, std::string_view link) const;
    [[nodiscard]] const Clsact* clsact(std::string_view link) const;
    [[nodiscard]] std::string link_names() const;  // without lo: "eth0, eth1"
};

struct Observed {
    Inventory inventory;
    std::map<Setting, std::uint32_t> settings;

    // Of a setting that observe() reads; 0 of a link that does not exist.
    [[nodiscard]] std::uint32_t value(SettingName name, const std::string& where = {}) const;
    // What the kernel makes of 'all' and the link together for arp_ignore, arp_announce and rp_filter: the greater.
    [[nodiscard]] std::uint32_t effective(SettingName name, const std::string& link) const;
};

Result<Inventory> take_inventory(Kernel& kernel);

// Reads the host's settings, those of the named links that exist and those of every tunnel. Includes every setting that
// a write of ip_forward changes along with it.
Result<Observed> observe(Kernel& kernel, const std::set<std::string>& interfaces);

// ip_forward's side effects (inet_forward_change() in the kernel): forwarding of every link and of 'default', and
// accept_redirects of 'all', which becomes the opposite.
bool reset_by_ip_forward(const Setting& setting);

}  // namespace dsr::serverprep
