#include "serverprep/firewall/value.hpp"

#include <algorithm>
#include <bit>

namespace dsr::serverprep::firewall {
namespace {

Truth lies_in(const Possible& value, std::uint64_t first, std::uint64_t last) {
    if (last < first || value.last < first || value.first > last) return Truth::no;
    if (value.first >= first && value.last <= last) return Truth::yes;
    if (first == last && ((value.bits ^ first) & value.known) != 0) return Truth::no;
    return Truth::maybe;
}

bool name_matches(const std::string& name, const std::string& pattern) {
    if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
    return name == pattern;
}

template <typename Test>
Truth of_all(const std::vector<Possible>& values, Test test) {
    if (values.empty()) return Truth::maybe;
    Truth all = test(values.front());
    for (const Possible& value : values)
        all = join(all, test(value));
    return all;
}

}  // namespace

Possible Possible::between(std::uint64_t first, std::uint64_t last) {
    // The leading bits that both ends share are known.
    const std::uint64_t differing = first ^ last;
    const auto width = static_cast<unsigned>(std::bit_width(differing));
    const std::uint64_t unknown = width >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1;
    return {first, last, first, ~unknown};
}

Possible Possible::with_bits(std::uint64_t bits, std::uint64_t known, unsigned width) {
    const std::uint64_t all = (std::uint64_t{1} << width) - 1;
    return {bits & known, (bits & known) | (all & ~known), bits, known | ~all};
}

Possible Possible::masked(std::uint64_t mask) const {
    if (mask == ~std::uint64_t{0}) return *this;
    const std::uint64_t sure = bits & known & mask;
    return {sure, sure | (mask & ~known), sure, known | ~mask};
}

Truth matches(const FieldValue& value, const Pattern& pattern) {
    switch (pattern.kind) {
        case Pattern::Kind::anything:
            return Truth::yes;
        case Pattern::Kind::unjudged:
            return Truth::maybe;
        case Pattern::Kind::name:
            return value.is_name ? truth(name_matches(value.name, pattern.name)) : Truth::maybe;
        case Pattern::Kind::numbers:
            break;
    }
    if (value.is_name) return Truth::maybe;
    return of_all(value.possible, [&](const Possible& one) { return lies_in(one, pattern.first, pattern.last); });
}

Truth has_any_bit(const FieldValue& value, std::uint64_t bits) {
    if (value.is_name) return Truth::maybe;
    return of_all(value.possible, [&](const Possible& one) {
        if ((one.bits & one.known & bits) != 0) return Truth::yes;
        return (bits & ~one.known) != 0 ? Truth::maybe : Truth::no;
    });
}

}  // namespace dsr::serverprep::firewall
