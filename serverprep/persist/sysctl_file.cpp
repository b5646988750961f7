#include "serverprep/persist/sysctl_file.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace dsr::serverprep::persist {
namespace {

constexpr const char* kHeader = R"(# Settings of a Direct Server Return pool server.
# Written by 'serverprep --persist'. To remove: 'serverprep --remove', which also undoes the rest.
# This name sorts after 99-sysctl.conf, so that this file has the last word. That matters beyond boot: udev runs
# systemd-sysctl again for each network device that appears. A leading '-' is for devices that may come later.

)";

bool is_flag(const Setting& setting) {
    return setting.name == SettingName::link_up || setting.name == SettingName::link_arp;
}

}  // namespace

std::string sysctl_key(const Setting& setting) {
    if (is_flag(setting)) return {};
    if (setting.name == SettingName::ip_forward) return "net/ipv4/ip_forward";
    return fmt::format("net/ipv4/conf/{}/{}", setting.where, to_string(setting.name));
}

std::string render_sysctl(const std::vector<SettingValue>& settings) {
    std::vector<SettingValue> sorted;
    std::ranges::copy_if(settings, std::back_inserter(sorted),
                         [](const SettingValue& each) { return !is_flag(each.first); });
    // Writing ip_forward resets others, and writing 'forwarding' of 'all' or 'default' is much the same: stable, so
    // that beside this the caller's order holds.
    std::ranges::stable_sort(sorted, {}, [](const SettingValue& each) {
        if (each.first.name == SettingName::ip_forward) return 0;
        return each.first.name == SettingName::forwarding ? 1 : 2;
    });
    std::string text = kHeader;
    for (const auto& [setting, value] : sorted)
        text += fmt::format("{}{} = {}\n", setting.of_link() && setting.where != "lo" ? "-" : "", sysctl_key(setting),
                            value);
    return text;
}

}  // namespace dsr::serverprep::persist
