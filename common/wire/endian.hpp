// Big-endian integers as types, so that byte order is checked by the compiler.
// They have alignment 1: header structs made of them may lie at any offset of a frame.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace dsr::wire {

// An unsigned integer stored most significant byte first. Convert with from()/host() only.
template <typename Host>
class BigEndian {
public:
    constexpr BigEndian() = default;
    constexpr explicit BigEndian(Host value) {
        for (unsigned i = 0; i < sizeof(Host); ++i)
            bytes_[i] = static_cast<std::uint8_t>(value >> (8U * (sizeof(Host) - 1U - i)));
    }

    [[nodiscard]] constexpr Host host() const {
        if (!std::is_constant_evaluated()) return swap(raw());
        Host value = 0;
        for (std::uint8_t byte : bytes_)
            value = static_cast<Host>((value << 8U) | byte);
        return value;
    }

    static BigEndian from_raw(Host raw) {
        BigEndian value;
        std::memcpy(value.bytes_, &raw, sizeof raw);
        return value;
    }

    // The bytes as the machine loads them: for sums and hashes that do not care about order.
    [[nodiscard]] Host raw() const {
        Host value;
        std::memcpy(&value, bytes_, sizeof value);
        return value;
    }

    friend constexpr bool operator==(const BigEndian&, const BigEndian&) = default;
    friend constexpr auto operator<=>(const BigEndian& a, const BigEndian& b) { return a.host() <=> b.host(); }

private:
    static constexpr Host swap(Host value) {
        if constexpr (std::endian::native == std::endian::big) return value;
        if constexpr (sizeof(Host) == 2) return __builtin_bswap16(value);
        return static_cast<Host>(__builtin_bswap32(value));
    }

    std::uint8_t bytes_[sizeof(Host)]{};
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;

static_assert(sizeof(be16) == 2 && alignof(be16) == 1);
static_assert(sizeof(be32) == 4 && alignof(be32) == 1);

}  // namespace dsr::wire
