#include "serverprep/layer3.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "serverprep/refusal.hpp"

namespace dsr::serverprep {
namespace {

constexpr const char* kTunnelNames = "dsr-ipip";

std::set<wire::Ipv4Address> vips_of(const std::vector<ServedVip>& served) {
    std::set<wire::Ipv4Address> vips;
    for (const ServedVip& one : served)
        vips.insert(one.vip);
    return vips;
}

bool has_address(const Inventory& inventory, int link_index) {
    return std::ranges::find(inventory.addresses, link_index, &netlink::Address::link_index) !=
           inventory.addresses.end();
}

// A name that no link has and that was not given out yet.
std::string free_name(const Inventory& inventory, const std::vector<WantedTunnel>& given) {
    for (unsigned number = 0;; ++number) {
        std::string name = fmt::format("{}{}", kTunnelNames, number);
        const auto is_taken = [&](const WantedTunnel& wanted) { return wanted.tunnel.name == name; };
        if (inventory.link(name) == nullptr && std::ranges::none_of(given, is_taken)) return name;
    }
}

// One filter for each role and link, to which VIPs add what they need.
class Filters {
public:
    explicit Filters(const Inventory& inventory) : inventory_(inventory) {}

    Filter* of(FilterRole role, const std::string& link) {
        Filter& filter = filters_[{role, link}];
        filter.role = role;
        filter.link = link;
        return &filter;
    }

    void decapsulate(const ServedVip& served, const std::set<wire::Ipv4Address>& all_vips) {
        Filter* filter = of(FilterRole::decapsulate, served.interface);
        // A VIP without load balancers does not open the tunnel for those that have some.
        for (const wire::Ipv4Prefix& source : served.load_balancers)
            filter->sources.insert({source.network(), source.length});
        for (wire::Ipv4Address own : own_addresses(served.interface, inventory_, all_vips))
            filter->addresses.insert(own);
        filter->vips.insert(served.vip);
    }

    void clamp(const ServedVip& served) {
        const std::uint16_t limit = mss_limit(served, inventory_);
        for (const std::string& link : reply_links(served, inventory_)) {
            Filter* filter = of(FilterRole::clamp_mss, link);
            filter->mss = filter->mss == 0 ? limit : std::min(filter->mss, limit);
            filter->vips.insert(served.vip);
        }
    }

    void guard(const ServedVip& served, const std::vector<WantedTunnel>& tunnels) {
        for (const WantedTunnel& wanted : tunnels)
            if (serves(wanted.tunnel, served) && is_our_name(wanted.tunnel.name))
                of(FilterRole::guard, wanted.tunnel.name)->vips.insert(served.vip);
    }

    [[nodiscard]] std::vector<Filter> take() const {
        std::vector<Filter> list;
        for (const auto& [key, filter] : filters_)
            list.push_back(filter);
        return list;
    }

private:
    const Inventory& inventory_;
    std::map<std::pair<FilterRole, std::string>, Filter> filters_;
};

}  // namespace

bool is_our_name(const std::string& tunnel) {
    return tunnel.starts_with(kTunnelNames);
}

bool serves(const netlink::Tunnel& tunnel, const ServedVip& served) {
    return served.tunnelled() && served.decap == DecapKind::ipip && served.load_balancers.contains({tunnel.remote, 32});
}

std::vector<WantedTunnel> wanted_tunnels(const std::vector<ServedVip>& served, const Inventory& inventory) {
    std::vector<WantedTunnel> wanted;
    const std::set<wire::Ipv4Address> vips = vips_of(served);
    for (const ServedVip& one : served) {
        if (!one.tunnelled() || one.decap != DecapKind::ipip) continue;
        for (const wire::Ipv4Prefix& source : one.load_balancers) {
            const wire::Ipv4Address remote = source.address;
            const auto same = [&](const WantedTunnel& other) { return other.tunnel.remote == remote; };
            if (std::ranges::any_of(wanted, same)) continue;
            WantedTunnel entry;
            const auto own = own_addresses(one.interface, inventory, vips);
            const auto there = std::ranges::find_if(inventory.tunnels, [&](const netlink::Tunnel& tunnel) {
                return tunnel.remote == remote &&
                       (tunnel.local.is_unspecified() || std::ranges::find(own, tunnel.local) != own.end());
            });
            entry.exists = there != inventory.tunnels.end();
            if (entry.exists) {
                entry.tunnel = *there;
                entry.has_address = has_address(inventory, there->link_index);
            } else {
                entry.tunnel.name = free_name(inventory, wanted);
                entry.tunnel.remote = remote;
            }
            if (!own.empty()) entry.address = own.front();
            wanted.push_back(std::move(entry));
        }
    }
    return wanted;
}

std::vector<Filter> wanted_filters(const std::vector<ServedVip>& served, const Inventory& inventory,
                                   const std::vector<WantedTunnel>& tunnels) {
    const std::set<wire::Ipv4Address> vips = vips_of(served);
    Filters filters(inventory);
    for (const ServedVip& one : served) {
        if (!one.tunnelled() || inventory.link(one.interface) == nullptr) continue;
        if (one.decap == DecapKind::bpf)
            filters.decapsulate(one, vips);
        else
            filters.guard(one, tunnels);
        filters.clamp(one);
    }
    return filters.take();
}

std::set<std::string> reply_links(const ServedVip& served, const Inventory& inventory) {
    std::set<std::string> names{served.interface};
    for (const netlink::Route& route : inventory.routes) {
        const netlink::Link* link = inventory.link(route.link_index);
        if (route.destination.length == 0 && link != nullptr && !link->loopback) names.insert(link->name);
    }
    return names;
}

std::uint16_t mss_limit(const ServedVip& served, const Inventory& inventory) {
    constexpr std::uint32_t kOuterHeader = 20;
    constexpr std::uint32_t kInnerHeaders = 40;
    constexpr std::uint32_t kLeast = 88;  // no Linux server advertises less
    const netlink::Link* link = inventory.link(served.interface);
    std::uint32_t mtu = link == nullptr || link->mtu == 0 ? 1500 : std::min<std::uint32_t>(link->mtu, 65535);
    if (served.path_mtu != 0) mtu = std::min(mtu, served.path_mtu);
    return static_cast<std::uint16_t>(std::max(mtu, kOuterHeader + kInnerHeaders + kLeast) - kOuterHeader -
                                      kInnerHeaders);
}

}  // namespace dsr::serverprep
