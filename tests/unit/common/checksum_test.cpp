#include "common/wire/checksum.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

using namespace dsr::wire;

namespace {

using Buffer = std::vector<std::uint8_t>;

// RFC 1071 section 1 word for word: 16-bit big-endian words, end-around carry after each addition.
std::uint16_t textbook_checksum(const Buffer& bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
        const std::uint32_t low = i + 1 < bytes.size() ? bytes[i + 1] : 0;
        sum += std::uint32_t{bytes[i]} << 8U | low;
        sum = (sum & 0xffffU) + (sum >> 16U);
    }
    return static_cast<std::uint16_t>(~sum);
}

Buffer random_bytes(std::mt19937& random, std::size_t size) {
    Buffer bytes(size);
    for (auto& byte : bytes)
        byte = static_cast<std::uint8_t>(random());
    return bytes;
}

}  // namespace

TEST_CASE("the worked example of RFC 1071 section 3 sums up to ddf2") {
    const std::array<std::uint8_t, 8> bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK(checksum_store(checksum_fold(checksum_add(bytes))).host() == 0xddf2);
    CHECK(internet_checksum(bytes).host() == 0x220d);
}

TEST_CASE("the checksum equals the textbook's for every length, odd ones too") {
    std::mt19937 random(1071);
    for (std::size_t size = 0; size < 300; ++size) {
        const Buffer bytes = random_bytes(random, size);
        INFO("size " << size);
        CHECK(internet_checksum(bytes).host() == textbook_checksum(bytes));
    }
}

TEST_CASE("the largest frame full of ones does not overflow the sum") {
    const Buffer bytes(65535, 0xff);
    CHECK(internet_checksum(bytes).host() == textbook_checksum(bytes));
}

TEST_CASE("a sum in pieces equals the sum of the whole when only the last piece is odd") {
    std::mt19937 random(2);
    const Buffer bytes = random_bytes(random, 101);
    for (std::size_t cut = 0; cut <= bytes.size(); cut += 2) {
        const Bytes all(bytes);
        CHECK(checksum_fold(checksum_add(all.subspan(cut), checksum_add(all.first(cut)))) ==
              checksum_fold(checksum_add(all)));
    }
}

TEST_CASE("a header with its checksum filled in sums up, and with any bit flipped it does not") {
    std::mt19937 random(3);
    Buffer header = random_bytes(random, 20);
    header[10] = header[11] = 0;
    const be16 checksum = internet_checksum(header);
    std::memcpy(&header[10], &checksum, 2);
    CHECK(checksum_valid(header));
    for (std::size_t bit = 0; bit < header.size() * 8; ++bit) {
        Buffer damaged = header;
        damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 1U << bit % 8);
        CHECK_FALSE(checksum_valid(damaged));
    }
}

TEST_CASE("a header without options is judged as its bytes are, right or wrong, extreme or random") {
    std::mt19937 random(4);
    int right = 0;
    for (int round = 0; round < 20000; ++round) {
        Buffer header = round % 5 == 0 ? Buffer(20, 0xff) : round % 5 == 1 ? Buffer(20, 0) : random_bytes(random, 20);
        header[0] = 0x45;
        if (round % 2 == 0) header[random() % 20] = static_cast<std::uint8_t>(random());
        header[0] |= 0x40;
        header[10] = header[11] = 0;
        const be16 checksum = internet_checksum(header);
        std::memcpy(&header[10], &checksum, 2);
        if (round % 3 == 0) header[random() % 20] ^= static_cast<std::uint8_t>(1U << random() % 8);
        header[0] |= 0x40;
        const bool valid = checksum_valid(Bytes(header));
        REQUIRE(checksum_valid(header_at<Ipv4Header>(Bytes(header))) == valid);
        if (valid) ++right;
    }
    CHECK(right > 10000);
    CHECK(right < 15000);
}

TEST_CASE("multiples of 65535, and no other numbers, are divisible by it") {
    std::mt19937_64 random(5);
    for (const std::uint64_t quotient : {0ULL, 1ULL, 2ULL, 0x10001ULL, 0x1000100010000ULL, 0x1000100010001ULL})
        for (std::uint64_t off = 0; off < 3; ++off)
            CHECK(divisible_by_65535(quotient * 0xffff + off) == ((quotient * 0xffff + off) % 0xffff == 0));
    for (int round = 0; round < 10000; ++round) {
        const std::uint64_t value = random() >> random() % 64;
        REQUIRE(divisible_by_65535(value) == (value % 0xffff == 0));
        REQUIRE(divisible_by_65535(value / 0xffff * 0xffff));
    }
}

TEST_CASE("a sum of few words is folded as any other") {
    std::mt19937 random(6);
    for (const std::uint32_t sum : {0U, 1U, 0xffffU, 0x10000U, 0x1ffffU, 0xfffeffffU, 0xffff0000U, 0xffffffffU})
        CHECK(checksum_fold(sum) == checksum_fold(ChecksumSum{sum}));
    for (int round = 0; round < 10000; ++round) {
        const auto sum = static_cast<std::uint32_t>(random());
        REQUIRE(checksum_fold(sum) == checksum_fold(ChecksumSum{sum}));
    }
}

TEST_CASE("the example of RFC 1624 section 4 gives 0000, where RFC 1141's equation gave ffff") {
    CHECK(checksum_update(be16(0xdd2f), be16(0x5555), be16(0x3285)).host() == 0x0000);
}

TEST_CASE("an unchanged field leaves the checksum as it was") {
    for (const std::uint32_t checksum : {0x0000U, 0x0001U, 0x8000U, 0xfffeU})
        for (const std::uint32_t field : {0x0000U, 0x1234U, 0xffffU}) {
            const be16 value(static_cast<std::uint16_t>(checksum));
            const be16 same(static_cast<std::uint16_t>(field));
            CHECK(checksum_update(value, same, same) == value);
        }
}

TEST_CASE("incremental update equals computing anew for every 16-bit field of random headers") {
    std::mt19937 random(1624);
    for (int round = 0; round < 2000; ++round) {
        Buffer header = random_bytes(random, 20);
        header[0] = 0x45;
        // Every fourth header is mostly zeros and ones, where ones' complement has its two zeros.
        if (round % 4 == 0)
            for (std::size_t i = 2; i < header.size(); ++i)
                header[i] = (random() & 1U) != 0 ? 0xff : 0x00;
        header[10] = header[11] = 0;
        const be16 before_checksum = internet_checksum(header);
        const std::size_t at = 2 * (random() % 10);
        if (at == 10 || at == 0) continue;
        be16 before;
        std::memcpy(&before, &header[at], 2);
        const be16 after(static_cast<std::uint16_t>(round % 3 == 0 ? 0 : round % 3 == 1 ? 0xffffU : random()));
        std::memcpy(&header[at], &after, 2);
        CHECK(checksum_update(before_checksum, before, after) == internet_checksum(header));
    }
}

TEST_CASE("incremental update equals computing anew for 32-bit fields") {
    std::mt19937 random(32);
    for (int round = 0; round < 2000; ++round) {
        Buffer header = random_bytes(random, 20);
        header[10] = header[11] = 0;
        const be16 before_checksum = internet_checksum(header);
        be32 before;
        std::memcpy(&before, &header[16], 4);
        const be32 after(static_cast<std::uint32_t>(random()));
        std::memcpy(&header[16], &after, 4);
        CHECK(checksum_update(before_checksum, before, after) == internet_checksum(header));
    }
}

TEST_CASE("the pseudo-header's sum is that of its twelve bytes") {
    const auto source = Ipv4Address::from_host(0xc6336401);
    const auto destination = Ipv4Address::from_host(0xcb00710a);
    const std::array<std::uint8_t, 12> bytes{0xc6, 0x33, 0x64, 0x01, 0xcb, 0x00, 0x71, 0x0a, 0x00, 17, 0x12, 0x34};
    CHECK(checksum_fold(pseudo_header_sum(source, destination, 17, 0x1234)) == checksum_fold(checksum_add(bytes)));
}
