// What a field of a class of packets can be, and whether that is what a rule asks for. Knows no rule and no packet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "serverprep/firewall/truth.hpp"

namespace dsr::serverprep::firewall {

// A number between two, some of whose bits are known: both hold.
struct Possible {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t bits = 0;
    std::uint64_t known = 0;  // which of `bits` count

    static Possible exactly(std::uint64_t number) { return {number, number, number, ~std::uint64_t{0}}; }
    static Possible between(std::uint64_t first, std::uint64_t last);
    // A number of `width` bits.
    static Possible with_bits(std::uint64_t bits, std::uint64_t known, unsigned width);
    [[nodiscard]] Possible masked(std::uint64_t mask) const;
};

// What a rule compares with.
struct Pattern {
    enum class Kind : std::uint8_t { numbers, name, anything, unjudged };
    Kind kind = Kind::unjudged;
    std::uint64_t first = 0;  // both included; none when last < first
    std::uint64_t last = 0;
    std::string name{};  // of a link; 'veth*' stands for all that begin so
};

struct FieldValue {
    bool absent = false;               // the packet has no such field: no comparison holds, '!=' neither
    std::vector<Possible> possible{};  // one of these; empty: anything, unless it is a name
    std::string name{};
    bool is_name = false;
    std::string reason{};  // why it is not known better: 'depends on the client's address'
};

Truth matches(const FieldValue& value, const Pattern& pattern);
// Whether any of the bits is set.
Truth has_any_bit(const FieldValue& value, std::uint64_t bits);

}  // namespace dsr::serverprep::firewall
