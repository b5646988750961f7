#include "serverprep/difference.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "serverprep/layer3.hpp"
#include "serverprep/meaning.hpp"

namespace dsr::serverprep {
namespace {

using Acceptable = std::function<bool(std::uint32_t)>;

// The finding that a setting of this name mends; see the matrix.
std::string finding_of(SettingName name) {
    switch (name) {
        case SettingName::ip_forward:
            return "ip-forward";
        case SettingName::link_up:
            return "vip-missing";
        case SettingName::arp_ignore:
            return "arp-ignore";
        case SettingName::arp_announce:
            return "arp-announce";
        case SettingName::rp_filter:
            return "rp-filter";
        case SettingName::send_redirects:
            return "send-redirects";
        case SettingName::link_arp:
        case SettingName::forwarding:
        case SettingName::accept_redirects:
            break;
    }
    return {};
}

class Plan {
public:
    explicit Plan(const Observed& observed) : observed_(observed) {}

    void set(SettingName name, const std::string& where, std::uint32_t value) {
        const std::uint32_t before = observed_.value(name, where);
        if (before != value) change({name, where}, before, value, finding_of(name));
    }

    void change(const Setting& setting, std::uint32_t before, std::uint32_t after, std::string mends) {
        SettingChange change{setting, before, after, {}};
        if (setting.name == SettingName::ip_forward) {
            for (const auto& [other, now] : observed_.settings)
                if (reset_by_ip_forward(other)) change.collateral.emplace(other, now);
        }
        if (!planned_.insert(setting).second) return;  // two interfaces share 'all'
        push(std::move(change), std::move(mends));
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

    void push(Change change, std::string mends) {
        steps_.push_back({std::move(change), StepStatus::planned, false, std::move(mends)});
    }
    void append(std::vector<Step> steps) { std::ranges::move(steps, std::back_inserter(steps_)); }

    std::vector<Step> take() { return std::move(steps_); }

private:
    const Observed& observed_;
    std::vector<Step> steps_;
    std::set<Setting> planned_;
};

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

void plan_vips(const Desired& desired, const Inventory& inventory, Plan& plan) {
    const netlink::Link* loopback = inventory.link(kLoopback);
    if (loopback == nullptr) return;
    std::set<wire::Ipv4Address> there;
    for (const netlink::Address& address : inventory.addresses)
        if (address.prefix.length == 32 && inventory.on_loopback(address)) there.insert(address.prefix.address);
    Labels labels(inventory);
    for (const ServedVip& served : desired.vips) {
        if (there.contains(served.vip)) continue;
        // Scope host: the kernel then never picks the VIP as the source of traffic of the host's own.
        plan.push(
            AddressChange{kLoopback,
                          {loopback->index, {served.vip, 32}, labels.next(), netlink::kScopeHost, kAddressProtocol},
                          true},
            "vip-missing");
    }
}

void plan_settings(const Desired& desired, const std::vector<ServedVip>& all, const Observed& observed, Plan& plan) {
    const bool scope_host = vips_have_scope_host(desired, observed);
    if (desired.ip_forward() && observed.value(SettingName::ip_forward) == 0) plan.set(SettingName::ip_forward, {}, 1);
    // An address on a link that is down is not local.
    plan.set(SettingName::link_up, kLoopback, 1);
    plan.set(SettingName::link_arp, kLoopback, 0);
    for (const std::string& link : desired.interfaces()) {
        // Raised on 'all': a VIP on lo is answered for by every interface of the host, also by one that appears later.
        plan.settle(
            SettingName::arp_ignore, link,
            [&](std::uint32_t value) { return arp_ignore_meaning(value, scope_host) == ArpIgnore::hides; }, 1, kAll);
        plan.settle(SettingName::arp_announce, link, arp_announce_keeps_quiet, 2, kAll);
        // Raised on the link alone: the filter protects the host's other interfaces, and no maximum undoes a 2.
        plan.settle(SettingName::rp_filter, link, rp_filter_loose, 2, link);
    }
    // ip_forward, when it is switched on, is for all interfaces, those of other VIPs included.
    const bool switched_on = desired.ip_forward() && observed.value(SettingName::ip_forward) == 0;
    for (const ServedVip& served : all) {
        // The kernel sends when either says so.
        const bool asked = desired.find(served.vip) != nullptr;
        const bool forwards = switched_on || (asked && will_forward(served, observed));
        if (!forwards || observed.inventory.link(served.interface) == nullptr) continue;
        for (const std::string& where : {std::string(kAll), served.interface})
            plan.set(SettingName::send_redirects, where, 0);
    }
}

// Made down: what comes out of it must be filtered, and not be dropped, from the first packet on.
void plan_tunnels(const std::vector<WantedTunnel>& tunnels, const Observed& observed, Plan& plan) {
    for (const WantedTunnel& wanted : tunnels) {
        const std::string& name = wanted.tunnel.name;
        if (!wanted.exists) plan.push(TunnelChange{wanted.tunnel, true}, "tunnel-down");
        if (!wanted.has_address && wanted.address)
            plan.push(AddressChange{name, {0, {*wanted.address, 32}, {}, netlink::kScopeHost, kAddressProtocol}, true},
                      wanted.exists ? "tunnel-address" : "tunnel-down");
        if (wanted.exists) {
            plan.settle(SettingName::rp_filter, name, rp_filter_loose, 2, name);
        } else if (const std::uint32_t inherited = observed.value(SettingName::rp_filter, kDefault); inherited != 2) {
            plan.change({SettingName::rp_filter, name}, inherited, 2, "tunnel-down");
        }
    }
}

void plan_tunnels_up(const std::vector<WantedTunnel>& tunnels, Plan& plan) {
    for (const WantedTunnel& wanted : tunnels)
        if (!wanted.tunnel.up) plan.change({SettingName::link_up, wanted.tunnel.name}, 0, 1, "tunnel-down");
}

// The finding that going from one to the other mends.
std::string finding_of(const std::optional<Filter>& before, const Filter& after) {
    switch (after.role) {
        case FilterRole::decapsulate: {
            if (!before) return "tunnel-down";
            const bool lacks = !std::ranges::includes(before->vips, after.vips) ||
                               !std::ranges::includes(before->addresses, after.addresses) ||
                               !covers(before->sources, after.sources);
            return lacks ? "tunnel-down" : "decap-open";
        }
        case FilterRole::guard:
            return before && !std::ranges::includes(before->vips, after.vips) ? "tunnel-down" : "decap-open";
        case FilterRole::clamp_mss: {
            // Lower than need be costs a little, and loses nothing.
            const bool fits = before && before->mss <= after.mss && std::ranges::includes(before->vips, after.vips);
            return fits ? "" : "mss";
        }
    }
    return {};
}

// Where nothing comes out of the tunnel, the MSS is a consequence: mended together, and not named beside.
std::vector<Step> with_consequences(std::vector<Step> steps) {
    if (std::ranges::find(steps, "tunnel-down", &Step::mends) == steps.end()) return steps;
    for (Step& step : steps)
        if (step.mends == "mss") step.mends = "tunnel-down";
    return steps;
}

bool opens(const Step& step) {
    const auto* change = std::get_if<FilterChange>(&step.change);
    return change != nullptr && change->after && change->after->role == FilterRole::decapsulate;
}

}  // namespace

std::vector<Step> filter_steps(const std::vector<ServedVip>& staying, const std::set<wire::Ipv4Address>& leaving,
                               const std::vector<WantedTunnel>& tunnels, const Observed& observed) {
    const Inventory& inventory = observed.inventory;
    std::vector<Step> steps;
    if (!inventory.filters || !inventory.has_bpf) return steps;
    std::vector<Filter> wanted = wanted_filters(staying, inventory, tunnels);
    for (const Filter& present : *inventory.filters) {
        const auto same = std::ranges::find_if(
            wanted, [&](const Filter& filter) { return filter.role == present.role && filter.link == present.link; });
        Filter rest = present;
        // What those that stay need of it is in `wanted`: a VIP may have become one of Layer 2.
        std::erase_if(rest.vips, [&](wire::Ipv4Address vip) {
            return leaving.contains(vip) || std::ranges::find(staying, vip, &ServedVip::vip) != staying.end();
        });
        if (same != wanted.end()) {
            same->vips.insert(rest.vips.begin(), rest.vips.end());
        } else if (rest.vips.empty()) {
            steps.push_back({FilterChange{present, std::nullopt}, StepStatus::planned, false, {}});
        } else if (rest != present) {
            steps.push_back({FilterChange{present, rest}, StepStatus::planned, false, {}});
        }
    }
    std::set<std::string> with_clsact;
    for (const Filter& filter : wanted) {
        const Filter* present = inventory.filter(filter.role, filter.link);
        if (present != nullptr && *present == filter) continue;
        const auto before = present == nullptr ? std::nullopt : std::optional(*present);
        // The guard of a tunnel that is still to be made belongs to it.
        const std::string mends = inventory.link(filter.link) == nullptr ? "tunnel-down" : finding_of(before, filter);
        if (inventory.clsact(filter.link) == nullptr && with_clsact.insert(filter.link).second)
            steps.push_back({ClsactChange{filter.link, true}, StepStatus::planned, false, mends});
        steps.push_back({FilterChange{before, filter}, StepStatus::planned, false, mends});
    }
    return steps;
}

bool is_our_vip(const netlink::Address& address) {
    if (address.protocol != 0) return address.protocol == kAddressProtocol;
    return address.scope == netlink::kScopeHost && address.label.starts_with(fmt::format("{}:", kLoopback));
}

bool will_forward(const ServedVip& served, const Observed& observed) {
    const auto forwarding = observed.settings.find({SettingName::forwarding, served.interface});
    return served.ip_forward || (forwarding != observed.settings.end() && forwarding->second != 0);
}

bool vips_have_scope_host(const Desired& desired, const Observed& observed) {
    return std::ranges::all_of(observed.inventory.addresses, [&](const netlink::Address& address) {
        return address.scope == netlink::kScopeHost || !observed.inventory.on_loopback(address) ||
               desired.find(address.prefix.address) == nullptr;
    });
}

std::vector<Step> difference(const Desired& desired, const Observed& observed, const Shared& shared) {
    Plan plan(observed);
    std::vector<ServedVip> all = desired.vips;
    all.insert(all.end(), shared.others.begin(), shared.others.end());
    if (!desired.vips.empty()) plan_settings(desired, all, observed, plan);
    const std::vector<WantedTunnel> tunnels = wanted_tunnels(all, observed.inventory);
    plan_tunnels(tunnels, observed, plan);
    std::vector<Step> filters = filter_steps(all, shared.leaving, tunnels, observed);
    const auto opening = std::ranges::stable_partition(filters, std::not_fn(opens));
    const std::vector<Step> last(opening.begin(), opening.end());
    filters.erase(opening.begin(), opening.end());
    plan.append(std::move(filters));
    plan_vips(desired, observed.inventory, plan);
    plan.append(last);
    plan_tunnels_up(tunnels, plan);
    return with_consequences(plan.take());
}

std::set<Setting> required_settings(const std::vector<ServedVip>& served, const Observed& observed) {
    std::set<Setting> required;
    for (const ServedVip& one : served) {
        required.insert({SettingName::link_up, kLoopback});
        required.insert({SettingName::link_arp, kLoopback});
        if (one.ip_forward) required.insert({SettingName::ip_forward, {}});
        for (const std::string& where : {std::string(kAll), one.interface})
            for (SettingName name : {SettingName::arp_ignore, SettingName::arp_announce, SettingName::rp_filter,
                                     SettingName::send_redirects})
                required.insert({name, where});
        // What --fix did for one VIP it did for all.
        required.insert({SettingName::link_up, one.interface});
        for (const netlink::Tunnel& tunnel : observed.inventory.tunnels) {
            const bool takes_anybody = one.tunnelled() && tunnel.remote.is_unspecified();
            if (takes_anybody || serves(tunnel, one)) required.insert({SettingName::link_up, tunnel.name});
            if (serves(tunnel, one)) required.insert({SettingName::rp_filter, tunnel.name});
        }
    }
    return required;
}

}  // namespace dsr::serverprep
