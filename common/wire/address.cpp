#include "common/wire/address.hpp"

#include <charconv>

namespace dsr::wire {
namespace {

// A decimal number 0..max at the start of `text`, without leading zeros; removes it from `text`.
std::optional<unsigned> take_decimal(std::string_view& text, unsigned max) {
    unsigned value = 0;
    const char* begin = text.data();
    auto [stop, error] = std::from_chars(begin, begin + text.size(), value, 10);
    if (error != std::errc{} || value > max) return std::nullopt;
    auto digits = static_cast<std::size_t>(stop - begin);
    if (digits > 1 && text.front() == '0') return std::nullopt;
    text.remove_prefix(digits);
    return value;
}

constexpr char kHex[] = "0123456789abcdef";

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

std::optional<MacAddress> MacAddress::parse(std::string_view text) {
    if (text.size() != 17) return std::nullopt;
    const char separator = text[2];
    if (separator != ':' && separator != '-') return std::nullopt;
    MacAddress mac;
    for (std::size_t i = 0; i < 6; ++i) {
        if (i > 0 && text[3 * i - 1] != separator) return std::nullopt;
        const int high = hex_digit(text[3 * i]);
        const int low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        mac.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
    }
    return mac;
}

std::optional<Ipv4Address> Ipv4Address::parse(std::string_view text) {
    std::uint32_t value = 0;
    for (int part = 0; part < 4; ++part) {
        if (part > 0) {
            if (!text.starts_with('.')) return std::nullopt;
            text.remove_prefix(1);
        }
        auto number = take_decimal(text, 255);
        if (!number) return std::nullopt;
        value = value << 8U | *number;
    }
    if (!text.empty()) return std::nullopt;
    return Ipv4Address::from_host(value);
}

std::optional<Ipv4Prefix> Ipv4Prefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    auto address = Ipv4Address::parse(text.substr(0, slash));
    std::string_view rest = text.substr(slash + 1);
    auto length = take_decimal(rest, 32);
    if (!address || !length || !rest.empty()) return std::nullopt;
    return Ipv4Prefix{*address, static_cast<std::uint8_t>(*length)};
}

std::size_t write_text(const MacAddress& mac, char* out) {
    for (std::size_t i = 0; i < 6; ++i) {
        if (i > 0) out[3 * i - 1] = ':';
        out[3 * i] = kHex[mac.bytes[i] >> 4U];
        out[3 * i + 1] = kHex[mac.bytes[i] & 15U];
    }
    return 17;
}

std::size_t write_text(Ipv4Address address, char* out) {
    char* at = out;
    for (unsigned part = 0; part < 4; ++part) {
        if (part > 0) *at++ = '.';
        at = std::to_chars(at, at + 3, (address.host() >> (24U - 8U * part)) & 255U).ptr;
    }
    return static_cast<std::size_t>(at - out);
}

std::string to_string(const MacAddress& mac) {
    char text[17];
    return {text, write_text(mac, text)};
}

std::string to_string(Ipv4Address address) {
    char text[15];
    return {text, write_text(address, text)};
}

std::string to_string(const Ipv4Prefix& prefix) {
    return to_string(prefix.address) + "/" + std::to_string(prefix.length);
}

}  // namespace dsr::wire
