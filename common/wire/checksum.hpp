// The Internet checksum (RFC 1071), its incremental update (RFC 1624) and the TCP/UDP pseudo-header (RFC 9293
// section 3.1). Sums are kept in machine byte order: RFC 1071 section 2(B) shows that only the final store must match.
#pragma once

#include <cstdint>
#include <cstring>

#include "common/wire/headers.hpp"

namespace dsr::wire {

// A ones' complement sum in progress; not folded.
using ChecksumSum = std::uint64_t;

// Adds `bytes`; an odd last byte counts as if a zero followed, so only the last piece of a sum may be odd.
inline ChecksumSum checksum_add(Bytes bytes, ChecksumSum sum = 0) {
    const std::uint8_t* at = bytes.data();
    std::size_t left = bytes.size();
    // 32-bit words into 64 bits: a frame of at most 64 KiB cannot overflow.
    for (; left >= 4; at += 4, left -= 4) {
        std::uint32_t word;
        std::memcpy(&word, at, 4);
        sum += word;
    }
    if (left >= 2) {
        std::uint16_t word;
        std::memcpy(&word, at, 2);
        sum += word;
        at += 2;
        left -= 2;
    }
    if (left == 1) {
        std::uint16_t word = 0;
        std::memcpy(&word, at, 1);
        sum += word;
    }
    return sum;
}

// Folds to 16 bits without complementing, in machine byte order.
inline std::uint16_t checksum_fold(ChecksumSum sum) {
    sum = (sum >> 32U) + (sum & 0xffffffffU);
    sum = (sum >> 32U) + (sum & 0xffffffffU);
    sum = (sum >> 16U) + (sum & 0xffffU);
    sum = (sum >> 16U) + (sum & 0xffffU);
    return static_cast<std::uint16_t>((sum >> 16U) + (sum & 0xffffU));
}

// The same of a sum of few words.
inline std::uint16_t checksum_fold(std::uint32_t sum) {
    sum = (sum >> 16U) + (sum & 0xffffU);
    return static_cast<std::uint16_t>((sum >> 16U) + sum);
}

// A folded value in machine order as it is stored in a header.
inline be16 checksum_store(std::uint16_t folded) {
    return be16::from_raw(folded);
}

// The value for a checksum field, computed over bytes in which the field is zero. Over bytes with a right field it is
// 0.
inline be16 internet_checksum(Bytes bytes, ChecksumSum sum = 0) {
    return checksum_store(static_cast<std::uint16_t>(~checksum_fold(checksum_add(bytes, sum))));
}

// The pseudo-header's sum; `length` is that of the TCP or UDP header and payload in bytes.
inline ChecksumSum pseudo_header_sum(Ipv4Address source, Ipv4Address destination, std::uint8_t protocol,
                                     std::uint16_t length) {
    return ChecksumSum{source.network().raw()} + destination.network().raw() + be16(protocol).raw() +
           be16(length).raw();
}

// RFC 1624 equation 3: HC' = ~(~HC + ~m + m'). The checksum of a header in which one 16-bit field changed.
inline be16 checksum_update(be16 checksum, be16 before, be16 after) {
    const ChecksumSum sum = ChecksumSum{static_cast<std::uint16_t>(~checksum.raw())} +
                            static_cast<std::uint16_t>(~before.raw()) + after.raw();
    return checksum_store(static_cast<std::uint16_t>(~checksum_fold(sum)));
}

// The same for a 32-bit field, an address for example.
inline be16 checksum_update(be16 checksum, be32 before, be32 after) {
    const ChecksumSum sum = ChecksumSum{static_cast<std::uint16_t>(~checksum.raw())} +
                            static_cast<std::uint32_t>(~before.raw()) + after.raw();
    return checksum_store(static_cast<std::uint16_t>(~checksum_fold(sum)));
}

// Without a division: times the inverse of 65535 modulo 2^64, multiples become their quotients and all others numbers
// larger than any quotient.
inline bool divisible_by_65535(std::uint64_t value) {
    return value * 0xfffefffefffeffffULL <= ~std::uint64_t{0} / 0xffff;
}

// Whether a header with its checksum field filled in sums up.
// Folding is a remainder by 0xffff (2^16 leaves 1), and whether that is 0 costs compilers a multiplication only.
inline bool checksum_valid(Bytes header) {
    const ChecksumSum sum = checksum_add(header);
    return sum % 0xffff == 0 && sum != 0;
}

// The same for an IPv4 header without options, whose sum is never 0.
inline bool checksum_valid(const Ipv4Header& header) {
    const auto* at = reinterpret_cast<const std::uint8_t*>(&header);
    ChecksumSum sum = 0;
    for (std::size_t offset = 0; offset < sizeof header; offset += 4) {
        std::uint32_t word;
        std::memcpy(&word, at + offset, 4);
        sum += word;
    }
    return divisible_by_65535(sum);
}

}  // namespace dsr::wire
