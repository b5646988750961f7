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

bool Inventory::on_loopback(const netlink::Address& address) const {
    const netlink::Link* holder = link(address.link_index);
    return holder != nullptr && holder->loopback;
}

const Filter* Inventory::filter(FilterRole role, std::string_view link) const {
    if (!filters) return nullptr;
    const auto found = std::ranges::find_if(
        *filters, [&](const Filter& candidate) { return candidate.role == role && candidate.link == link; });
    return found == filters->end() ? nullptr : &*found;
}

const Clsact* Inventory::clsact(std::string_view link) const {
    const auto found = std::ranges::find(clsacts, link, &Clsact::link);
    return found == clsacts.end() ? nullptr : &*found;
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
    const auto found = settings.find(Setting{name, where});
    return found == settings.end() ? 0 : found->second;
}

std::uint32_t Observed::effective(SettingName name, const std::string& link) const {
    return std::max(value(name, kAll), value(name, link));
}

namespace {

template <typename Value>
bool take(Result<Value> read, Value& into, Error& error) {
    if (read)
        into = std::move(*read);
    else
        error = read.error();
    return read.has_value();
}

}  // namespace

Result<Inventory> take_inventory(Kernel& kernel) {
    Inventory inventory;
    Error error;
    if (!take(kernel.links(), inventory.links, error) || !take(kernel.addresses(), inventory.addresses, error) ||
        !take(kernel.routes(), inventory.routes, error) || !take(kernel.tunnels(), inventory.tunnels, error) ||
        !take(kernel.clsacts(), inventory.clsacts, error))
        return std::unexpected(error);
    inventory.has_ipip = kernel.has_ipip();
    inventory.has_bpf = kernel.has_bpf();
    // Filters sit at a clsact; looking for them takes a privilege that --check may not have.
    if (inventory.clsacts.empty())
        inventory.filters.emplace();
    else if (auto filters = kernel.filters())
        inventory.filters = std::move(*filters);
    else
        inventory.why_no_filters = filters.error().message;
    return inventory;
}

Result<Observed> observe(Kernel& kernel, const std::set<std::string>& interfaces) {
    auto inventory = take_inventory(kernel);
    if (!inventory) return std::unexpected(inventory.error());
    std::set<Setting> wanted{{SettingName::ip_forward, {}},       {SettingName::link_up, kLoopback},
                             {SettingName::link_arp, kLoopback},  {SettingName::rp_filter, kDefault},
                             {SettingName::forwarding, kDefault}, {SettingName::accept_redirects, kAll}};
    std::set<std::string> places{kAll};
    for (const std::string& name : interfaces)
        if (inventory->link(name) != nullptr) places.insert(name);
    for (const netlink::Tunnel& tunnel : inventory->tunnels) {
        wanted.insert({SettingName::link_up, tunnel.name});
        places.insert(tunnel.name);
    }
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
        if (value) {
            observed.settings.emplace(setting, *value);
            continue;
        }
        // Containers come and go while this is read.
        const auto links = kernel.links();
        if (!links || !setting.of_link() ||
            std::ranges::find(*links, setting.where, &netlink::Link::name) != links->end())
            return std::unexpected(value.error());
        std::erase_if(observed.inventory.links, [&](const netlink::Link& link) { return link.name == setting.where; });
    }
    return observed;
}

bool reset_by_ip_forward(const Setting& setting) {
    if (setting.name == SettingName::accept_redirects) return setting.where == kAll;
    return setting.name == SettingName::forwarding;
}

}  // namespace dsr::serverprep
