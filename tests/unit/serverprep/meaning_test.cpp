#include "serverprep/meaning.hpp"

#include <catch2/catch.hpp>

using namespace dsr::serverprep;

TEST_CASE("arp_ignore hides a VIP on lo with 1 and 2, leaks it with 0 and the reserved values, and 8 is deaf") {
    for (bool scope_host : {false, true}) {
        CHECK(arp_ignore_meaning(1, scope_host) == ArpIgnore::hides);
        CHECK(arp_ignore_meaning(2, scope_host) == ArpIgnore::hides);
        CHECK(arp_ignore_meaning(8, scope_host) == ArpIgnore::deaf);
        for (std::uint32_t value : {0U, 4U, 5U, 6U, 7U, 9U, 99U})
            CHECK(arp_ignore_meaning(value, scope_host) == ArpIgnore::leaks);
    }
}

TEST_CASE("arp_ignore 3 hides only addresses of scope host") {
    CHECK(arp_ignore_meaning(3, true) == ArpIgnore::hides);
    CHECK(arp_ignore_meaning(3, false) == ArpIgnore::leaks);
}

TEST_CASE("only arp_announce 2 keeps quiet: 1 is too little and more than 2 is none at all") {
    CHECK(arp_announce_keeps_quiet(2));
    for (std::uint32_t value : {0U, 1U, 3U, 8U})
        CHECK_FALSE(arp_announce_keeps_quiet(value));
}
