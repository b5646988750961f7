// MAC addresses, IPv4 addresses and prefixes: values, their text, nothing about interfaces.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/wire/endian.hpp"

namespace dsr::wire {

// An IEEE 802 48-bit address in transmission order.
struct MacAddress {
    std::array<std::uint8_t, 6> bytes{};

    // Six hexadecimal pairs separated by ':' or '-'; nothing before or after.
    static std::optional<MacAddress> parse(std::string_view text);
    static constexpr MacAddress broadcast() { return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}; }

    // Group bit set: multicast or broadcast.
    [[nodiscard]] constexpr bool is_group() const { return (bytes[0] & 1U) != 0; }
    [[nodiscard]] constexpr bool is_zero() const { return *this == MacAddress{}; }

    // As a number and a half: compilers call memcmp for six bytes.
    friend constexpr bool operator==(const MacAddress& a, const MacAddress& b) {
        if (std::is_constant_evaluated()) return a.bytes == b.bytes;
        std::uint32_t first_a, first_b;
        std::uint16_t last_a, last_b;
        std::memcpy(&first_a, a.bytes.data(), 4);
        std::memcpy(&first_b, b.bytes.data(), 4);
        std::memcpy(&last_a, a.bytes.data() + 4, 2);
        std::memcpy(&last_b, b.bytes.data() + 4, 2);
        return first_a == first_b && last_a == last_b;
    }
    friend constexpr auto operator<=>(const MacAddress&, const MacAddress&) = default;
};
static_assert(sizeof(MacAddress) == 6 && alignof(MacAddress) == 1);

// An IPv4 address in network order. Ordered numerically.
class Ipv4Address {
public:
    constexpr Ipv4Address() = default;
    constexpr explicit Ipv4Address(be32 value) : value_(value) {}
    static constexpr Ipv4Address from_host(std::uint32_t value) { return Ipv4Address(be32(value)); }
    // Dotted quad only: four decimal numbers 0..255 without leading zeros (inet_aton's short and octal forms are
    // refused).
    static std::optional<Ipv4Address> parse(std::string_view text);

    [[nodiscard]] constexpr std::uint32_t host() const { return value_.host(); }
    [[nodiscard]] constexpr be32 network() const { return value_; }
    [[nodiscard]] constexpr bool is_unspecified() const { return host() == 0; }
    [[nodiscard]] constexpr bool is_loopback() const { return (host() >> 24U) == 127; }
    [[nodiscard]] constexpr bool is_multicast() const { return (host() >> 28U) == 0xe; }
    [[nodiscard]] constexpr bool is_broadcast() const { return host() == 0xffffffffU; }

    friend constexpr bool operator==(const Ipv4Address&, const Ipv4Address&) = default;
    friend constexpr auto operator<=>(const Ipv4Address& a, const Ipv4Address& b) { return a.host() <=> b.host(); }

private:
    be32 value_;
};
static_assert(sizeof(Ipv4Address) == 4 && alignof(Ipv4Address) == 1);

// An address with a prefix length 0..32. The host bits are kept: '10.0.0.2/24' is an interface's address.
struct Ipv4Prefix {
    Ipv4Address address;
    std::uint8_t length = 32;

    // 'A.B.C.D/N'; without '/N' it is no prefix.
    static std::optional<Ipv4Prefix> parse(std::string_view text);
    [[nodiscard]] constexpr std::uint32_t mask() const { return length == 0 ? 0 : ~std::uint32_t{0} << (32U - length); }
    [[nodiscard]] constexpr bool contains(Ipv4Address other) const {
        return ((address.host() ^ other.host()) & mask()) == 0;
    }
    [[nodiscard]] constexpr Ipv4Address network() const { return Ipv4Address::from_host(address.host() & mask()); }

    friend constexpr auto operator<=>(const Ipv4Prefix&, const Ipv4Prefix&) = default;
};

std::string to_string(const MacAddress& mac);
std::string to_string(Ipv4Address address);
std::string to_string(const Ipv4Prefix& prefix);

// Writes the text without a terminating zero and returns its length; `out` holds at least 17 (MAC) or 15 (IPv4)
// characters.
std::size_t write_text(const MacAddress& mac, char* out);
std::size_t write_text(Ipv4Address address, char* out);

}  // namespace dsr::wire

template <>
struct std::hash<dsr::wire::Ipv4Address> {
    std::size_t operator()(dsr::wire::Ipv4Address address) const noexcept {
        return std::size_t{address.host()} * 0x9e3779b97f4a7c15U;
    }
};
