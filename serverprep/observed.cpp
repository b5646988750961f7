#include "serverprep/observed.hpp"

#include <algorithm>
#include <utility>

namespace dsr::serverprep {

const netlink::Link* Inventory::link(std::string_view name) const {
    const auto found = std::ranges::find(links, name, &netlink::Link::name);
    return found == links.end() ? nullptr : &*found;
}

const netlink::Link* Inventory::link(int index) const {
    const auto found = std::ranges::find(links, index, &netlink::Link::index);
    return found == links.end() ? nullptr : &*found;
}

std::string Inventory::link_names() const {
    std::string names;
    for (const netlink::Link& candidate : links) {
        if (candidate.loopback) continue;
        if (!names.empty()) names += ", ";
        names += candidate.name;
    }
    return names.empty() ? "none" : names;
}

std::uint32_t Observed::value(SettingName name, const std::string& where) const {
    return settings.at(Setting{name, where});
}

std::uint32_t Observed::effective(SettingName name, const std::string& link) const {
    return std::max(value(name, kAll), value(name, link));
}

Result<Inventory> take_inventory(Kernel& kernel) {
    auto links = kernel.links();
    if (!links) return std::unexpected(links.error());
    auto addresses = kernel.addresses();
    if (!addresses) return std::unexpected(addresses.error());
    auto routes = kernel.routes();
    if (!routes) return std::unexpected(routes.error());
    return Inventory{std::move(*links), std::move(*addresses), std::move(*routes)};
}

Result<Observed> observe(Kernel& kernel, const std::set<std::string>& interfaces) {
    auto inventory = take_inventory(kernel);
    if (!inventory) return std::unexpected(inventory.error());
    std::set<Setting> wanted{{SettingName::ip_forward, {}},
                             {SettingName::link_up, kLoopback},
                             {SettingName::link_arp, kLoopback},
                             {SettingName::forwarding, kDefault},
                             {SettingName::accept_redirects, kAll}};
    std::vector<std::string> places{kAll};
    for (const std::string& name : interfaces)
        if (inventory->link(name) != nullptr) places.push_back(name);
    for (const std::string& where : places) {
        for (SettingName name :
             {SettingName::arp_ignore, SettingName::arp_announce, SettingName::rp_filter, SettingName::send_redirects})
            wanted.insert({name, where});
    }
    for (const netlink::Link& link : inventory->links)
        wanted.insert({SettingName::forwarding, link.name});

    Observed observed{std::move(*inventory), {}};
    for (const Setting& setting : wanted) {
        const auto value = kernel.read(setting);
        if (!value) return std::unexpected(value.error());
        observed.settings.emplace(setting, *value);
    }
    return observed;
}

bool reset_by_ip_forward(const Setting& setting) {
    if (setting.name == SettingName::accept_redirects) return setting.where == kAll;
    return setting.name == SettingName::forwarding;
}

}  // namespace dsr::serverprep
