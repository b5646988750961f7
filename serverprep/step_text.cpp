// Steps in words and as commands.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "serverprep/overloaded.hpp"
#include "serverprep/served_vip.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {
namespace {

std::string_view presence(bool present) {
    return present ? "present" : "absent";
}

std::string describe(const AddressChange& change) {
    std::string text = fmt::format("{} dev {}", wire::to_string(change.address.prefix), change.link);
    if (!change.address.label.empty() && change.address.label != change.link) text += " label " + change.address.label;
    return text;
}

std::string_view scope_name(std::uint8_t scope) {
    return scope == netlink::kScopeHost ? "host" : scope == netlink::kScopeLink ? "link" : "global";
}

std::string describe(const FilterChange& change) {
    const Filter& filter = change.any();
    switch (filter.role) {
        case FilterRole::decapsulate:
            return fmt::format("decapsulation on {}", filter.link);
        case FilterRole::guard:
            return fmt::format("guard of {}", filter.link);
        case FilterRole::clamp_mss:
            return fmt::format("MSS of SYN-ACKs on {}", filter.link);
    }
    return filter.link;
}

template <typename Set, typename ToText>
std::string list(const Set& set, std::string_view none, const ToText& to_text) {
    // A table cell holds a few; the document says how many there are.
    constexpr std::size_t kShown = 3;
    std::string text;
    std::size_t count = 0;
    for (const auto& member : set)
        if (count++ < kShown) text += (text.empty() ? "" : ", ") + to_text(member);
    if (count > kShown) text += fmt::format(" and {} more", count - kShown);
    return text.empty() ? std::string(none) : text;
}

std::string contents(const std::optional<Filter>& filter) {
    if (!filter) return "absent";
    std::string text =
        "for " + list(filter->vips, "no VIP", [](wire::Ipv4Address vip) { return wire::to_string(vip); });
    if (filter->role == FilterRole::clamp_mss) text = fmt::format("{} {}", filter->mss, text);
    if (filter->role == FilterRole::decapsulate) text += " from " + list(filter->sources, "anybody", source_text);
    return text;
}

std::string tunnel_command(const TunnelChange& change) {
    const netlink::Tunnel& tunnel = change.tunnel;
    if (!change.add) return fmt::format("ip link delete {}", tunnel.name);
    std::string text = fmt::format("ip link add {} type ipip", tunnel.name);
    if (!tunnel.local.is_unspecified()) text += " local " + wire::to_string(tunnel.local);
    if (!tunnel.remote.is_unspecified()) text += " remote " + wire::to_string(tunnel.remote);
    return text;
}

std::string address_command(const AddressChange& change) {
    if (!change.add)
        return fmt::format("ip address delete {} dev {}", wire::to_string(change.address.prefix), change.link);
    return fmt::format("ip address add {} scope {}", describe(change), scope_name(change.address.scope));
}

}  // namespace

std::string_view to_string(StepStatus status) {
    switch (status) {
        case StepStatus::planned:
            return "planned";
        case StepStatus::done:
            return "done";
        case StepStatus::failed:
            return "failed";
        case StepStatus::rolled_back:
            return "rolled-back";
        case StepStatus::stuck:
            return "stuck";
        case StepStatus::kept:
            return "kept";
    }
    return "unknown";
}

bool is_planned(const Step& step) {
    return step.status == StepStatus::planned;
}

std::string object(const Step& step) {
    return std::visit(
        Overloaded{[](const SettingChange& change) { return to_string(change.setting); },
                   [](const AddressChange& change) { return "address " + describe(change); },
                   [](const TunnelChange& change) { return fmt::format("tunnel {}", change.tunnel.name); },
                   [](const ClsactChange& change) { return fmt::format("qdisc clsact on {}", change.link); },
                   [](const FilterChange& change) { return describe(change); }},
        step.change);
}

std::string before_text(const Step& step) {
    return std::visit(Overloaded{[](const SettingChange& change) { return value_text(change.setting, change.before); },
                                 [](const FilterChange& change) { return contents(change.before); },
                                 [](const auto& change) { return std::string(presence(!change.add)); }},
                      step.change);
}

std::string after_text(const Step& step) {
    if (step.status == StepStatus::kept) return before_text(step);
    return std::visit(Overloaded{[](const SettingChange& change) { return value_text(change.setting, change.after); },
                                 [](const FilterChange& change) { return contents(change.after); },
                                 [](const auto& change) { return std::string(presence(change.add)); }},
                      step.change);
}

std::string command(const Step& step) {
    return std::visit(
        Overloaded{[](const SettingChange& change) { return command(change.setting, change.after); },
                   [](const AddressChange& change) { return address_command(change); },
                   [](const TunnelChange& change) { return tunnel_command(change); },
                   [](const ClsactChange& change) {
                       return fmt::format("tc qdisc {} dev {} clsact", change.add ? "add" : "delete", change.link);
                   },
                   [](const FilterChange& change) {
                       return fmt::format("# {}: {} -> {} (a BPF program; serverprep alone loads it)", describe(change),
                                          contents(change.before), contents(change.after));
                   }},
        step.change);
}

}  // namespace dsr::serverprep
