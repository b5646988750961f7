#include "serverprep/state.hpp"

#include <algorithm>
#include <utility>

#include "serverprep/difference.hpp"
#include "serverprep/layer3.hpp"

namespace dsr::serverprep {
namespace {

int link_index(const Setting& setting, const Inventory& inventory) {
    const netlink::Link* link = setting.of_link() ? inventory.link(setting.where) : nullptr;
    return link == nullptr ? 0 : link->index;
}

bool still_there(const Setting& setting, const RememberedSetting& remembered, const Inventory& inventory) {
    return !setting.of_link() ||
           (remembered.link_index != 0 && link_index(setting, inventory) == remembered.link_index);
}

void remember_setting(State& state, const SettingChange& change, const Inventory& inventory) {
    // Settings of a tunnel that we made go with it.
    if (change.setting.of_link() && state.own_tunnels.contains(change.setting.where)) return;
    const auto [entry, is_new] = state.settings.try_emplace(change.setting);
    RememberedSetting& remembered = entry->second;
    if (is_new) {
        remembered.link_index = link_index(change.setting, inventory);
        remembered.before = change.before;
        remembered.collateral = change.collateral;
    }
    remembered.written = change.after;
}

void remember_address(State& state, const AddressChange& change) {
    if (!change.add) return;
    if (change.link != kLoopback)
        state.own_tunnel_addresses.insert(change.link);
    else if (const auto vip = state.vips.find(change.address.prefix.address); vip != state.vips.end())
        vip->second.own_address = true;
}

class UndoPlan {
public:
    explicit UndoPlan(const Observed& observed) : observed_(observed) {}

    // False if an address that is not ours is left there.
    bool address(wire::Ipv4Address vip) {
        bool all_ours = true;
        for (const netlink::Address& address : observed_.inventory.addresses) {
            if (address.prefix != wire::Ipv4Prefix{vip, 32} || !observed_.inventory.on_loopback(address)) continue;
            all_ours = all_ours && is_our_vip(address);
            push(AddressChange{kLoopback, address, false},
                 is_our_vip(address) ? StepStatus::planned : StepStatus::kept);
        }
        return all_ours;
    }

    void tunnel_down(const netlink::Tunnel& tunnel) {
        if (observed_.value(SettingName::link_up, tunnel.name) != 0)
            push(SettingChange{{SettingName::link_up, tunnel.name}, 1, 0, {}}, StepStatus::planned);
    }

    // Downwards step by step, so that a run that fails can bring it back as it was.
    void tunnel(const netlink::Tunnel& tunnel) {
        const auto change = [&](SettingName name, std::uint32_t to) {
            const std::uint32_t now = observed_.value(name, tunnel.name);
            if (now != to) push(SettingChange{{name, tunnel.name}, now, to, {}}, StepStatus::planned);
        };
        change(SettingName::rp_filter, observed_.value(SettingName::rp_filter, kDefault));
        for (const netlink::Address& address : observed_.inventory.addresses)
            if (address.link_index == tunnel.link_index)
                push(AddressChange{tunnel.name, address, false}, StepStatus::planned);
        netlink::Tunnel down = tunnel;
        down.up = false;
        push(TunnelChange{down, false}, StepStatus::planned);
        gone_.insert(tunnel.name);
    }

    void tunnel_address(const std::string& name) {
        const netlink::Link* link = observed_.inventory.link(name);
        for (const netlink::Address& address : observed_.inventory.addresses)
            if (link != nullptr && address.link_index == link->index && address.protocol == kAddressProtocol)
                push(AddressChange{name, address, false}, StepStatus::planned);
    }

    void setting(const Setting& setting, const RememberedSetting& remembered) {
        const auto found = observed_.settings.find(setting);
        if (found == observed_.settings.end()) return;
        const std::uint32_t now = found->second;
        SettingChange change{setting, now, remembered.before, {}};
        const bool changed_since = now != remembered.before && now != remembered.written;
        if (changed_since || (setting.name == SettingName::ip_forward && others_forward(remembered))) {
            push(std::move(change), StepStatus::kept);
            return;
        }
        const bool write = now != remembered.before;
        if (write) {
            for (const auto& [other, before] : remembered.collateral)
                if (const auto current = observed_.settings.find(other); current != observed_.settings.end())
                    change.collateral.insert(*current);
            push(std::move(change), StepStatus::planned);
        }
        for (const auto& [other, before] : remembered.collateral)
            collateral(other, before, write, remembered.before);
    }

    void clsact(const std::string& link) { push(ClsactChange{link, false}, StepStatus::planned); }

    void append(std::vector<Step> steps) { std::ranges::move(steps, std::back_inserter(steps_)); }

    std::vector<Step> take() { return std::move(steps_); }

private:
    // Links that came later, are up and forward, as those of containers do: they need ip_forward now. (A module's tunl0
    // comes as well, and is down.)
    [[nodiscard]] bool others_forward(const RememberedSetting& remembered) const {
        return std::ranges::any_of(observed_.settings, [&](const auto& entry) {
            const auto& [setting, value] = entry;
            const netlink::Link* link = observed_.inventory.link(setting.where);
            return setting.name == SettingName::forwarding && link != nullptr && link->up && value != 0 &&
                   !remembered.collateral.contains(setting) && !is_our_name(setting.where);
        });
    }

    // The write of ip_forward, here or in a run that broke off, set all of these to one value; some had another.
    void collateral(const Setting& setting, std::uint32_t before, bool written_here, std::uint32_t ip_forward) {
        const auto found = observed_.settings.find(setting);
        if (found == observed_.settings.end() || gone_.contains(setting.where)) return;
        const bool opposite = setting.name == SettingName::accept_redirects;
        const std::uint32_t reset = (ip_forward != 0) != opposite ? 1 : 0;
        const std::uint32_t now = written_here ? reset : found->second;
        if (now != before) push(SettingChange{setting, now, before, {}}, StepStatus::planned);
    }

    void push(Change change, StepStatus status) { steps_.push_back({std::move(change), status, true, {}}); }

    const Observed& observed_;
    std::vector<Step> steps_;
    std::set<std::string> gone_;  // links that are deleted on the way
};

// Links whose filters are all ours and all go.
std::set<std::string> emptied_clsacts(const std::vector<Step>& filter_steps, const Inventory& inventory) {
    std::set<std::string> emptied;
    if (!inventory.filters) return emptied;  // who knows
    for (const Clsact& clsact : inventory.clsacts) {
        std::size_t left = clsact.foreign_filters;
        left += static_cast<std::size_t>(std::ranges::count(*inventory.filters, clsact.link, &Filter::link));
        for (const Step& step : filter_steps) {
            const auto* change = std::get_if<FilterChange>(&step.change);
            if (change != nullptr && change->any().link == clsact.link && !change->after) --left;
        }
        if (left == 0) emptied.insert(clsact.link);
    }
    return emptied;
}

bool is_needed(const netlink::Tunnel& tunnel, const std::vector<ServedVip>& staying) {
    return std::ranges::any_of(staying, [&](const ServedVip& served) { return serves(tunnel, served); });
}

bool is_own(const netlink::Tunnel& tunnel, const State& state) {
    const auto own = state.own_tunnels.find(tunnel.name);
    return own != state.own_tunnels.end() && own->second == tunnel.remote;
}

// Before anything else, the filters that guard them included.
void tunnels_down(const std::vector<ServedVip>& staying, const Observed& observed, UndoPlan& plan, const State& state) {
    for (const netlink::Tunnel& tunnel : observed.inventory.tunnels)
        if (!is_needed(tunnel, staying) && is_own(tunnel, state)) plan.tunnel_down(tunnel);
}

void undo_tunnels(const std::vector<ServedVip>& staying, const Observed& observed, UndoPlan& plan, State& after) {
    for (const netlink::Tunnel& tunnel : observed.inventory.tunnels) {
        if (is_needed(tunnel, staying)) continue;
        if (is_own(tunnel, after))
            plan.tunnel(tunnel);
        else if (after.own_tunnel_addresses.contains(tunnel.name))
            plan.tunnel_address(tunnel.name);
        else
            continue;
        after.own_tunnels.erase(tunnel.name);
        after.own_tunnel_addresses.erase(tunnel.name);
    }
}

}  // namespace

bool State::empty() const {
    return settings.empty() && vips.empty() && own_tunnels.empty() && own_tunnel_addresses.empty() &&
           own_clsacts.empty();
}

std::vector<ServedVip> State::served() const {
    std::vector<ServedVip> list;
    for (const auto& [address, vip] : vips)
        list.push_back(vip.served);
    return list;
}

std::set<wire::Ipv4Address> State::vip_addresses() const {
    std::set<wire::Ipv4Address> all;
    for (const auto& [address, vip] : vips)
        all.insert(address);
    return all;
}

std::set<wire::Ipv4Address> State::own_vips() const {
    std::set<wire::Ipv4Address> own;
    for (const auto& [address, vip] : vips)
        if (vip.own_address) own.insert(address);
    return own;
}

State remember(State state, const Desired& desired, const Observed& observed, const std::vector<Step>& steps) {
    std::erase_if(state.settings,
                  [&](const auto& entry) { return !still_there(entry.first, entry.second, observed.inventory); });
    for (const ServedVip& served : desired.vips)
        state.vips[served.vip].served = served;
    for (const Step& step : steps) {
        if (step.undoes) continue;
        if (const auto* setting = std::get_if<SettingChange>(&step.change)) {
            remember_setting(state, *setting, observed.inventory);
        } else if (const auto* address = std::get_if<AddressChange>(&step.change)) {
            remember_address(state, *address);
        } else if (const auto* tunnel = std::get_if<TunnelChange>(&step.change)) {
            if (tunnel->add) state.own_tunnels[tunnel->tunnel.name] = tunnel->tunnel.remote;
        } else if (const auto* clsact = std::get_if<ClsactChange>(&step.change)) {
            if (clsact->add) state.own_clsacts.insert(clsact->link);
        }
    }
    return state;
}

State after_reboot(State saved, const Inventory& inventory) {
    for (auto& [address, vip] : saved.vips)
        vip.own_address = false;
    for (auto& [setting, remembered] : saved.settings)
        remembered.link_index = link_index(setting, inventory);
    saved.own_tunnels.clear();
    saved.own_tunnel_addresses.clear();
    saved.own_clsacts.clear();
    return saved;
}

Undo undo(const State& state, const std::set<wire::Ipv4Address>& leaving, const std::vector<ServedVip>& staying,
          const Observed& observed, FilterSteps filters) {
    Undo result{{}, state};
    UndoPlan plan(observed);
    std::vector<Step> filter_changes;
    if (filters == FilterSteps::included) {
        std::vector<WantedTunnel> tunnels = wanted_tunnels(staying, observed.inventory);
        std::erase_if(tunnels, [](const WantedTunnel& tunnel) { return !tunnel.exists; });
        filter_changes = filter_steps(staying, leaving, tunnels, observed);
    }
    // What hands packets over goes first, then the VIPs, then what kept quiet about them: at no moment does the host
    // own one and answer ARP for it.
    tunnels_down(staying, observed, plan, result.after);
    plan.append(filter_changes);
    const bool all_known = filters == FilterSteps::included;  // else a filter may be about to come
    for (const std::string& link :
         all_known ? emptied_clsacts(filter_changes, observed.inventory) : std::set<std::string>())
        if (result.after.own_clsacts.erase(link) != 0 && observed.inventory.link(link) != nullptr) plan.clsact(link);
    undo_tunnels(staying, observed, plan, result.after);
    std::vector<ServedVip> quiet = staying;
    for (wire::Ipv4Address vip : leaving) {
        const auto remembered = state.vips.find(vip);
        if (remembered == state.vips.end()) continue;
        if (remembered->second.own_address && !plan.address(vip)) {
            // It stays on lo, in the hands of somebody else: so does what keeps quiet about it, and our record.
            quiet.push_back(remembered->second.served);
            quiet.back().dsr_type = config::DsrType::l2;
            quiet.back().ip_forward = false;
            continue;
        }
        result.after.vips.erase(vip);
    }
    const std::set<Setting> required = required_settings(quiet, observed);
    for (const auto& [setting, remembered] : state.settings) {
        if (required.contains(setting)) continue;
        if (still_there(setting, remembered, observed.inventory)) plan.setting(setting, remembered);
        result.after.settings.erase(setting);
    }
    if (result.after.vips.empty()) {
        // Nothing is needed any more, so that what is left on record is gone from the kernel.
        result.after.own_tunnels.clear();
        result.after.own_tunnel_addresses.clear();
        result.after.own_clsacts.clear();
    }
    result.steps = plan.take();
    return result;
}

}  // namespace dsr::serverprep
