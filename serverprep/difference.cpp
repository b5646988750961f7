#include "serverprep/difference.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "serverprep/meaning.hpp"

namespace dsr::serverprep {
namespace {

using Acceptable = std::function<bool(std::uint32_t)>;

class Plan {
public:
    explicit Plan(const Observed& observed) : observed_(observed) {}

    void set(SettingName name, const std::string& where, std::uint32_t value) {
        const std::uint32_t before = observed_.value(name, where);
        if (before == value) return;
        SettingChange change{{name, where}, before, value, {}};
        if (name == SettingName::ip_forward) {
            for (const auto& [setting, now] : observed_.settings)
                if (reset_by_ip_forward(setting)) change.collateral.emplace(setting, now);
        }
        steps_.push_back({std::move(change), StepStatus::planned});
    }

    // Makes max(all, link) acceptable by changing as little as possible: values that spoil the maximum go down to
    // `target`; if it is too low then, `raise_at` goes up to it.
    void settle(SettingName name, const std::string& link, const Acceptable& acceptable, std::uint32_t target,
                const std::string& raise_at) {
        if (acceptable(observed_.effective(name, link))) return;
        std::uint32_t highest = 0;
        for (const std::string& where : {std::string(kAll), link}) {
            const std::uint32_t value = observed_.value(name, where);
            const bool spoils = value > target && !acceptable(value);
            if (spoils) set(name, where, target);
            highest = std::max(highest, spoils ? target : value);
        }
        if (!acceptable(highest)) set(name, raise_at, target);
    }

    void add(const netlink::Address& address) { steps_.push_back({AddressChange{address, true}, StepStatus::planned}); }

    std::vector<Step> take() { return std::move(steps_); }

private:
    const Observed& observed_;
    std::vector<Step> steps_;
};

bool on_loopback(const Inventory& inventory, const netlink::Address& address) {
    const netlink::Link* link = inventory.link(address.link_index);
    return link != nullptr && link->loopback;
}

// The labels ifconfig calls aliases: the lowest numbers that are free.
class Labels {
public:
    explicit Labels(const Inventory& inventory) {
        for (const netlink::Address& address : inventory.addresses)
            taken_.insert(address.label);
    }
    std::string next() {
        for (unsigned number = 0;; ++number) {
            std::string label = fmt::format("{}:{}", kLoopback, number);
            if (taken_.insert(label).second) return label;
        }
    }

private:
    std::set<std::string> taken_;
};

void add_vips(const Desired& desired, const Inventory& inventory, Plan& plan) {
    const netlink::Link* loopback = inventory.link(kLoopback);
    Labels labels(inventory);
    for (wire::Ipv4Address vip : desired.vips) {
        const wire::Ipv4Prefix wanted{vip, 32};
        const bool there = std::ranges::any_of(inventory.addresses, [&](const netlink::Address& address) {
            return address.prefix == wanted && on_loopback(inventory, address);
        });
        if (there || loopback == nullptr) continue;
        // Scope host: the kernel then never picks the VIP as the source of traffic of the host's own.
        plan.add({loopback->index, wanted, labels.next(), netlink::kScopeHost, kAddressProtocol});
    }
}

}  // namespace

bool will_forward(const Desired& desired, const Observed& observed) {
    return desired.ip_forward || observed.value(SettingName::forwarding, desired.interface) != 0;
}

bool vips_have_scope_host(const Desired& desired, const Observed& observed) {
    return std::ranges::all_of(observed.inventory.addresses, [&](const netlink::Address& address) {
        return address.scope == netlink::kScopeHost || !on_loopback(observed.inventory, address) ||
               std::ranges::find(desired.vips, address.prefix.address) == desired.vips.end();
    });
}

std::vector<Step> difference(const Desired& desired, const Observed& observed) {
    Plan plan(observed);
    const std::string& link = desired.interface;
    const bool scope_host = vips_have_scope_host(desired, observed);
    if (desired.ip_forward && observed.value(SettingName::ip_forward) == 0) plan.set(SettingName::ip_forward, {}, 1);
    // An address on a link that is down is not local.
    plan.set(SettingName::link_up, kLoopback, 1);
    plan.set(SettingName::link_arp, kLoopback, 0);
    // Raised on 'all': a VIP on lo is answered for by every interface of the host, also by one that appears later.
    plan.settle(
        SettingName::arp_ignore, link,
        [&](std::uint32_t value) { return arp_ignore_meaning(value, scope_host) == ArpIgnore::hides; }, 1, kAll);
    plan.settle(SettingName::arp_announce, link, arp_announce_keeps_quiet, 2, kAll);
    // Raised on the link alone: the filter protects the host's other interfaces, and no maximum undoes a 2.
    plan.settle(SettingName::rp_filter, link, rp_filter_loose, 2, link);
    if (will_forward(desired, observed)) {
        // The kernel sends when either says so.
        for (const std::string& where : {std::string(kAll), link})
            plan.set(SettingName::send_redirects, where, 0);
    }
    add_vips(desired, observed.inventory, plan);
    return plan.take();
}

std::vector<Setting> required_settings(const Desired& desired) {
    std::vector<Setting> required{{SettingName::link_up, kLoopback}, {SettingName::link_arp, kLoopback}};
    if (desired.ip_forward) required.push_back({SettingName::ip_forward, {}});
    for (const std::string& where : {std::string(kAll), desired.interface}) {
        for (SettingName name :
             {SettingName::arp_ignore, SettingName::arp_announce, SettingName::rp_filter, SettingName::send_redirects})
            required.push_back({name, where});
    }
    return required;
}

}  // namespace dsr::serverprep
