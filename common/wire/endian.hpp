// Big-endian integers as types, so that byte order is checked by the compiler.
// They have alignment 1: header structs made of them may lie at any offset of a frame.
#pragma once

#include <bit>
#include <compare>
#include <cstdint>

namespace dsr::wire {

// An unsigned integer stored most significant byte first. Convert with its constructor and host() only.
// Packed, not an array of bytes: compilers then keep it in registers, where they would store and load byte by byte.
template <typename Host>
class [[gnu::packed]] BigEndian {
public:
    constexpr BigEndian() = default;
    constexpr explicit BigEndian(Host value) : raw_(swap(value)) {}

    [[nodiscard]] constexpr Host host() const { return swap(raw_); }

    static constexpr BigEndian from_raw(Host raw) { return BigEndian(swap(raw)); }

    // The bytes as the machine loads them: for sums and hashes that do not care about order.
    [[nodiscard]] constexpr Host raw() const { return raw_; }

    friend constexpr bool operator==(const BigEndian& a, const BigEndian& b) { return a.raw_ == b.raw_; }
    friend constexpr auto operator<=>(const BigEndian& a, const BigEndian& b) { return a.host() <=> b.host(); }

private:
    static constexpr Host swap(Host value) {
        if constexpr (std::endian::native == std::endian::big) return value;
        if constexpr (sizeof(Host) == 2) return __builtin_bswap16(value);
        if constexpr (sizeof(Host) == 8) return __builtin_bswap64(value);
        return static_cast<Host>(__builtin_bswap32(static_cast<std::uint32_t>(value)));
    }

    Host raw_ = 0;
};

using be16 = BigEndian<std::uint16_t>;
using be32 = BigEndian<std::uint32_t>;
using be64 = BigEndian<std::uint64_t>;

static_assert(sizeof(be16) == 2 && alignof(be16) == 1);
static_assert(sizeof(be32) == 4 && alignof(be32) == 1);
static_assert(sizeof(be64) == 8 && alignof(be64) == 1);

}  // namespace dsr::wire
