// What the kernel does with the values of its settings, as its source has it (net/ipv4/arp.c, fib_frontend.c), where
// numbers deceive: max(all, link) is numeric and not strictness. Pure functions of effective values.
#pragma once

#include <cstdint>

namespace dsr::serverprep {

enum class ArpIgnore : std::uint8_t {
    hides,  // no answer for an address of another interface; answers for the server's own
    leaks,  // answers for the VIP
    deaf,   // answers nothing at all, so that nobody finds the server
};

// `vip_hidden_by_scope`: every VIP on lo has scope host, the only ones that arp_ignore 3 keeps quiet about.
constexpr ArpIgnore arp_ignore_meaning(std::uint32_t effective, bool vip_hidden_by_scope) {
    switch (effective) {
        case 1:
        case 2:
            return ArpIgnore::hides;
        case 3:
            return vip_hidden_by_scope ? ArpIgnore::hides : ArpIgnore::leaks;
        case 8:
            return ArpIgnore::deaf;
        default:
            return ArpIgnore::leaks;  // 4..7 are reserved, and with the rest they act as 0
    }
}

// 1 still announces the VIP to hosts of its own subnet; above 2 the kernel falls back to 0.
constexpr bool arp_announce_keeps_quiet(std::uint32_t effective) {
    return effective == 2;
}

// 0: no filter. 1: strict, the route back must use the same interface. 2 and above: any route back will do.
constexpr bool rp_filter_strict(std::uint32_t effective) {
    return effective == 1;
}
constexpr bool rp_filter_loose(std::uint32_t effective) {
    return effective >= 2;
}

}  // namespace dsr::serverprep
