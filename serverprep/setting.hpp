// One number the kernel keeps that decides how a pool server behaves: which it is, what it is called, how a person
// changes it. Knows no values that would be right.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dsr::serverprep {

enum class SettingName : std::uint8_t {
    ip_forward,  // of the host
    link_up,     // of a link: 1 when IFF_UP is set
    link_arp,    // of a link: 1 unless IFF_NOARP is set
    // Of a link, of 'all' or of 'default' (/proc/sys/net/ipv4/conf):
    arp_ignore,
    arp_announce,
    rp_filter,
    send_redirects,
    forwarding,
    accept_redirects,
};

inline constexpr const char* kAll = "all";
inline constexpr const char* kDefault = "default";

struct Setting {
    SettingName name = SettingName::ip_forward;
    std::string where;  // link name, kAll or kDefault; empty for ip_forward

    // 'all' and 'default' belong to no link.
    [[nodiscard]] bool of_link() const;
    friend auto operator<=>(const Setting&, const Setting&) = default;
};

std::string_view to_string(SettingName name);
std::optional<SettingName> parse_setting_name(std::string_view text);

// As sysctl(8) spells it: dots in a link's name become slashes.
std::string to_string(const Setting& setting);
std::string value_text(const Setting& setting, std::uint32_t value);
// The command that does what a write of this value does.
std::string command(const Setting& setting, std::uint32_t value);

}  // namespace dsr::serverprep
