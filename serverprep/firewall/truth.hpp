// Three-valued logic: what a rule says of a class of packets may hold for all, for none, or for who knows which.
#pragma once

#include <cstdint>

namespace dsr::serverprep::firewall {

enum class Truth : std::uint8_t { no, maybe, yes };

constexpr Truth truth(bool holds) {
    return holds ? Truth::yes : Truth::no;
}
constexpr Truth operator!(Truth a) {
    return a == Truth::maybe ? a : truth(a == Truth::no);
}
constexpr Truth operator&&(Truth a, Truth b) {
    return a < b ? a : b;
}
constexpr Truth operator||(Truth a, Truth b) {
    return a < b ? b : a;
}
// Of two kinds of packets together.
constexpr Truth join(Truth a, Truth b) {
    return a == b ? a : Truth::maybe;
}

}  // namespace dsr::serverprep::firewall
