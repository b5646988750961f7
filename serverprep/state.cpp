#include "serverprep/state.hpp"

#include <algorithm>
#include <utility>

#include "serverprep/difference.hpp"

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

class UndoPlan {
public:
    explicit UndoPlan(const Observed& observed) : observed_(observed) {}

    void address(wire::Ipv4Address vip) {
        for (const netlink::Address& address : observed_.inventory.addresses) {
            const netlink::Link* link = observed_.inventory.link(address.link_index);
            if (address.prefix != wire::Ipv4Prefix{vip, 32} || link == nullptr || !link->loopback) continue;
            const bool ours = address.protocol == kAddressProtocol;
            push(AddressChange{address, false}, ours ? StepStatus::planned : StepStatus::kept);
        }
    }

    void setting(const Setting& setting, const RememberedSetting& remembered) {
        const auto found = observed_.settings.find(setting);
        if (found == observed_.settings.end()) return;
        const std::uint32_t now = found->second;
        SettingChange change{setting, now, remembered.before, {}};
        if (now != remembered.before && now != remembered.written) {
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

    std::vector<Step> take() { return std::move(steps_); }

private:
    // The write of ip_forward, here or in a run that broke off, set all of these to one value; some had another.
    void collateral(const Setting& setting, std::uint32_t before, bool written_here, std::uint32_t ip_forward) {
        const auto found = observed_.settings.find(setting);
        if (found == observed_.settings.end()) return;
        const bool opposite = setting.name == SettingName::accept_redirects;
        const std::uint32_t reset = (ip_forward != 0) != opposite ? 1 : 0;
        const std::uint32_t now = written_here ? reset : found->second;
        if (now != before) push(SettingChange{setting, now, before, {}}, StepStatus::planned);
    }

    void push(std::variant<SettingChange, AddressChange> change, StepStatus status) {
        steps_.push_back({std::move(change), status});
    }

    const Observed& observed_;
    std::vector<Step> steps_;
};

}  // namespace

std::set<wire::Ipv4Address> State::vips() const {
    std::set<wire::Ipv4Address> all = own_vips;
    for (const auto& [setting, remembered] : settings)
        all.insert(remembered.needed_by.begin(), remembered.needed_by.end());
    return all;
}

State remember(State state, const Desired& desired, const Observed& observed, const std::vector<Step>& steps) {
    std::erase_if(state.settings,
                  [&](const auto& entry) { return !still_there(entry.first, entry.second, observed.inventory); });
    for (const Step& step : steps) {
        if (const auto* address = std::get_if<AddressChange>(&step.change)) {
            state.own_vips.insert(address->address.prefix.address);
            continue;
        }
        const auto& change = std::get<SettingChange>(step.change);
        const auto [entry, is_new] = state.settings.try_emplace(change.setting);
        RememberedSetting& remembered = entry->second;
        if (is_new) {
            remembered.link_index = link_index(change.setting, observed.inventory);
            remembered.before = change.before;
            remembered.collateral = change.collateral;
        }
        remembered.written = change.after;
    }
    for (const Setting& setting : required_settings(desired)) {
        if (const auto entry = state.settings.find(setting); entry != state.settings.end())
            entry->second.needed_by.insert(desired.vips.begin(), desired.vips.end());
    }
    return state;
}

Undo undo(const State& state, const std::set<wire::Ipv4Address>& vips, const Observed& observed) {
    Undo result{{}, state};
    UndoPlan plan(observed);
    // VIPs go first: at no moment does the host own one and answer ARP for it.
    for (wire::Ipv4Address vip : vips)
        if (result.after.own_vips.erase(vip) != 0) plan.address(vip);
    for (const auto& [setting, remembered] : state.settings) {
        RememberedSetting& entry = result.after.settings.at(setting);
        for (wire::Ipv4Address vip : vips)
            entry.needed_by.erase(vip);
        if (!entry.needed_by.empty()) continue;
        if (still_there(setting, remembered, observed.inventory)) plan.setting(setting, remembered);
        result.after.settings.erase(setting);
    }
    result.steps = plan.take();
    return result;
}

}  // namespace dsr::serverprep
