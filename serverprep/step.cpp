#include "serverprep/step.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "serverprep/observed.hpp"
#include "serverprep/overloaded.hpp"

namespace dsr::serverprep {
namespace {

Result<void> write_address(Kernel& kernel, const AddressChange& change, bool add) {
    return add ? kernel.add(change.link, change.address) : kernel.remove(change.link, change.address);
}

Result<void> write_tunnel(Kernel& kernel, const TunnelChange& change, bool add) {
    return add ? kernel.add(change.tunnel) : kernel.remove(change.tunnel);
}

Result<void> write_clsact(Kernel& kernel, const ClsactChange& change, bool add) {
    return add ? kernel.add_clsact(change.link) : kernel.remove_clsact(change.link);
}

Result<void> write_filter(Kernel& kernel, const std::optional<Filter>& wanted, const std::optional<Filter>& present) {
    if (wanted) return kernel.install(*wanted);
    return present ? kernel.uninstall(*present) : Result<void>{};
}

Result<void> revert_setting(Kernel& kernel, const SettingChange& change) {
    if (auto written = kernel.write(change.setting, change.before); !written) return written;
    for (const auto& [setting, value] : change.collateral) {
        const auto now = kernel.read(setting);
        // A link that has gone took its settings with it.
        if (!now || *now == value) continue;
        if (auto written = kernel.write(setting, value); !written) return written;
    }
    return {};
}

Result<void> write(Kernel& kernel, const Step& step) {
    return std::visit(
        Overloaded{[&](const SettingChange& change) { return kernel.write(change.setting, change.after); },
                   [&](const AddressChange& change) { return write_address(kernel, change, change.add); },
                   [&](const TunnelChange& change) { return write_tunnel(kernel, change, change.add); },
                   [&](const ClsactChange& change) { return write_clsact(kernel, change, change.add); },
                   [&](const FilterChange& change) { return write_filter(kernel, change.after, change.before); }},
        step.change);
}

template <typename Element, typename Matches>
Result<bool> is_there(const Result<std::vector<Element>>& list, bool wanted, const Matches& matches) {
    if (!list) return std::unexpected(list.error());
    return std::ranges::any_of(*list, matches) == wanted;
}

Result<bool> address_holds(Kernel& kernel, const AddressChange& change) {
    const auto links = kernel.links();
    if (!links) return std::unexpected(links.error());
    const auto link = std::ranges::find(*links, change.link, &netlink::Link::name);
    const int index = link == links->end() ? 0 : link->index;
    return is_there(kernel.addresses(), change.add, [&](const netlink::Address& address) {
        return address.link_index == index && address.prefix == change.address.prefix;
    });
}

Result<bool> filter_holds(Kernel& kernel, const FilterChange& change) {
    return is_there(kernel.filters(), change.after.has_value(), [&](const Filter& filter) {
        return change.after ? filter == *change.after
                            : filter.role == change.before->role && filter.link == change.before->link;
    });
}

bool gives_vip(const Step& step) {
    const auto* address = std::get_if<AddressChange>(&step.change);
    return address != nullptr && address->add && address->link == kLoopback;
}

}  // namespace

bool exposes(const Step& step) {
    if (gives_vip(step)) return true;
    if (const auto* filter = std::get_if<FilterChange>(&step.change))
        return filter->after && filter->after->role == FilterRole::decapsulate;
    const auto* setting = std::get_if<SettingChange>(&step.change);
    return setting != nullptr && setting->setting.name == SettingName::link_up && setting->after != 0 &&
           setting->setting.where != kLoopback;
}

bool depends(const Step& step, const Step& earlier) {
    if (!exposes(step)) return false;
    if (!gives_vip(step)) return !exposes(earlier) || gives_vip(earlier);
    const auto* setting = std::get_if<SettingChange>(&earlier.change);
    return setting != nullptr &&
           (setting->setting.name == SettingName::arp_ignore || setting->setting.name == SettingName::arp_announce ||
            setting->setting.name == SettingName::link_arp);
}

Result<bool> holds(Kernel& kernel, const Step& step) {
    return std::visit(Overloaded{[&](const SettingChange& change) -> Result<bool> {
                                     const auto now = kernel.read(change.setting);
                                     if (!now) return std::unexpected(now.error());
                                     return *now == change.after;
                                 },
                                 [&](const AddressChange& change) { return address_holds(kernel, change); },
                                 [&](const TunnelChange& change) {
                                     return is_there(kernel.tunnels(), change.add, [&](const netlink::Tunnel& tunnel) {
                                         return tunnel.name == change.tunnel.name &&
                                                tunnel.remote == change.tunnel.remote;
                                     });
                                 },
                                 [&](const ClsactChange& change) {
                                     return is_there(kernel.clsacts(), change.add,
                                                     [&](const Clsact& clsact) { return clsact.link == change.link; });
                                 },
                                 [&](const FilterChange& change) { return filter_holds(kernel, change); }},
                      step.change);
}

Result<void> perform(Kernel& kernel, const Step& step) {
    return write(kernel, step);
}

Result<void> revert(Kernel& kernel, const Step& step) {
    return std::visit(
        Overloaded{[&](const SettingChange& change) { return revert_setting(kernel, change); },
                   [&](const AddressChange& change) { return write_address(kernel, change, !change.add); },
                   [&](const TunnelChange& change) { return write_tunnel(kernel, change, !change.add); },
                   [&](const ClsactChange& change) { return write_clsact(kernel, change, !change.add); },
                   [&](const FilterChange& change) { return write_filter(kernel, change.before, change.after); }},
        step.change);
}

}  // namespace dsr::serverprep
