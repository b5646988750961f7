#include "serverprep/setting.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

constexpr std::array<std::pair<SettingName, std::string_view>, 9> kNames{{
    {SettingName::ip_forward, "ip_forward"},
    {SettingName::link_up, "up"},
    {SettingName::link_arp, "arp"},
    {SettingName::arp_ignore, "arp_ignore"},
    {SettingName::arp_announce, "arp_announce"},
    {SettingName::rp_filter, "rp_filter"},
    {SettingName::send_redirects, "send_redirects"},
    {SettingName::forwarding, "forwarding"},
    {SettingName::accept_redirects, "accept_redirects"},
}};

bool is_flag(const Setting& setting) {
    return setting.name == SettingName::link_up || setting.name == SettingName::link_arp;
}

}  // namespace

bool Setting::of_link() const {
    return !where.empty() && where != kAll && where != kDefault;
}

std::string_view to_string(SettingName name) {
    const auto* found = std::ranges::find(kNames, name, &decltype(kNames)::value_type::first);
    return found == kNames.end() ? "unknown" : found->second;
}

std::optional<SettingName> parse_setting_name(std::string_view text) {
    const auto* found = std::ranges::find(kNames, text, &decltype(kNames)::value_type::second);
    if (found == kNames.end()) return std::nullopt;
    return found->first;
}

std::string to_string(const Setting& setting) {
    if (setting.name == SettingName::ip_forward) return "net.ipv4.ip_forward";
    if (is_flag(setting)) return fmt::format("link {} {}", setting.where, to_string(setting.name));
    std::string where = setting.where;
    std::ranges::replace(where, '.', '/');
    return fmt::format("net.ipv4.conf.{}.{}", where, to_string(setting.name));
}

std::string value_text(const Setting& setting, std::uint32_t value) {
    if (is_flag(setting)) return value != 0 ? "on" : "off";
    return fmt::to_string(value);
}

std::string command(const Setting& setting, std::uint32_t value) {
    if (setting.name == SettingName::link_up)
        return fmt::format("ip link set dev {} {}", setting.where, value != 0 ? "up" : "down");
    if (setting.name == SettingName::link_arp)
        return fmt::format("ip link set dev {} arp {}", setting.where, value_text(setting, value));
    return fmt::format("sysctl -w {}={}", to_string(setting), value);
}

}  // namespace dsr::serverprep
