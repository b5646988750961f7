// Byte order, addresses and their text.
#include <catch2/catch.hpp>
#include <string>

#include "common/wire/address.hpp"
#include "common/wire/flow_key.hpp"

using namespace dsr::wire;

TEST_CASE("a big-endian integer lies most significant byte first at any address") {
    std::uint8_t bytes[7]{};
    const be16 small(0x1234);
    const be32 large(0x12345678);
    std::memcpy(bytes + 1, &small, 2);
    std::memcpy(bytes + 3, &large, 4);
    CHECK(bytes[1] == 0x12);
    CHECK(bytes[2] == 0x34);
    CHECK(bytes[3] == 0x12);
    CHECK(bytes[6] == 0x78);
    CHECK(small.host() == 0x1234);
    CHECK(large.host() == 0x12345678);
}

TEST_CASE("a big-endian integer has the same value at compile time and at run time") {
    static_assert(be16(0xabcd).host() == 0xabcd);
    static_assert(be32(0xfedcba98).host() == 0xfedcba98);
    volatile std::uint32_t value = 0xfedcba98;
    CHECK(be32(value).host() == 0xfedcba98);
    CHECK(be32::from_raw(be32(value).raw()) == be32(0xfedcba98));
}

TEST_CASE("big-endian integers are ordered by value") {
    CHECK(be16(0x00ff) < be16(0x0100));
    CHECK(be32(0x00ffffff) < be32(0x01000000));
}

TEST_CASE("an IPv4 address is a dotted quad and nothing else") {
    CHECK(to_string(Ipv4Address::parse("203.0.113.10").value_or(Ipv4Address{})) == "203.0.113.10");
    CHECK(Ipv4Address::parse("0.0.0.0") == Ipv4Address::from_host(0));
    CHECK(Ipv4Address::parse("255.255.255.255") == Ipv4Address::from_host(0xffffffff));
    for (const char* text :
         {"",         ".",        "1",         "1.2",       "1.2.3",    "1.2.3.",   "1.2.3.4.",          "1.2.3.4.5",
          ".1.2.3.4", "1..2.3",   "256.1.1.1", "1.1.1.256", "01.2.3.4", "1.2.3.04", "00.0.0.0",          "0x1.2.3.4",
          " 1.2.3.4", "1.2.3.4 ", "1.2.3.4\n", "+1.2.3.4",  "-1.2.3.4", "1.2.3.a",  "99999999999.1.1.1", "1,2,3,4",
          "::1"}) {
        INFO("'" << text << "'");
        CHECK_FALSE(Ipv4Address::parse(text));
    }
}

TEST_CASE("every octet value survives the way to text and back") {
    for (std::uint32_t octet = 0; octet < 256; ++octet) {
        const auto address =
            Ipv4Address::from_host(octet << 24U | (255 - octet) << 16U | octet << 8U | (octet ^ 0x55U));
        CHECK(Ipv4Address::parse(to_string(address)) == address);
    }
}

TEST_CASE("IPv4 addresses know their kinds") {
    CHECK(Ipv4Address{}.is_unspecified());
    CHECK(Ipv4Address::parse("127.255.0.1")->is_loopback());
    CHECK_FALSE(Ipv4Address::parse("128.0.0.1")->is_loopback());
    CHECK(Ipv4Address::parse("224.0.0.0")->is_multicast());
    CHECK(Ipv4Address::parse("239.255.255.255")->is_multicast());
    CHECK_FALSE(Ipv4Address::parse("223.255.255.255")->is_multicast());
    CHECK_FALSE(Ipv4Address::parse("240.0.0.0")->is_multicast());
    CHECK(Ipv4Address::parse("255.255.255.255")->is_broadcast());
}

TEST_CASE("IPv4 addresses are ordered numerically, not by their text") {
    CHECK(*Ipv4Address::parse("9.0.0.0") < *Ipv4Address::parse("10.0.0.0"));
    CHECK(*Ipv4Address::parse("127.0.0.1") < *Ipv4Address::parse("128.0.0.1"));
}

TEST_CASE("a prefix keeps its host bits and contains its network") {
    const auto prefix = Ipv4Prefix::parse("10.0.0.2/24");
    REQUIRE(prefix);
    CHECK(to_string(*prefix) == "10.0.0.2/24");
    CHECK(to_string(prefix->network()) == "10.0.0.0");
    CHECK(prefix->mask() == 0xffffff00U);
    CHECK(prefix->contains(*Ipv4Address::parse("10.0.0.0")));
    CHECK(prefix->contains(*Ipv4Address::parse("10.0.0.255")));
    CHECK_FALSE(prefix->contains(*Ipv4Address::parse("10.0.1.0")));
    CHECK_FALSE(prefix->contains(*Ipv4Address::parse("9.255.255.255")));
}

TEST_CASE("prefix lengths 0 and 32 are the whole Internet and one address") {
    const auto all = Ipv4Prefix::parse("10.0.0.2/0");
    REQUIRE(all);
    CHECK(all->mask() == 0);
    CHECK(all->contains(Ipv4Address::from_host(0xffffffff)));
    const auto one = Ipv4Prefix::parse("10.0.0.2/32");
    REQUIRE(one);
    CHECK(one->contains(one->address));
    CHECK_FALSE(one->contains(Ipv4Address::from_host(one->address.host() + 1)));
}

TEST_CASE("a prefix is an address, a slash and a length up to 32") {
    for (const char* text : {"", "/", "/24", "10.0.0.2", "10.0.0.2/", "10.0.0.2/33", "10.0.0.2/024", "10.0.0.2/-1",
                             "10.0.0/24", "10.0.0.2/24 ", "10.0.0.2/24/24", "10.0.0.2/255.255.255.0"}) {
        INFO("'" << text << "'");
        CHECK_FALSE(Ipv4Prefix::parse(text));
    }
}

TEST_CASE("a MAC address is six pairs with one kind of separator") {
    const auto mac = MacAddress::parse("02:00:5E:aB:cd:0f");
    REQUIRE(mac);
    CHECK(to_string(*mac) == "02:00:5e:ab:cd:0f");
    CHECK(MacAddress::parse("02-00-5e-ab-cd-0f") == mac);
    for (const char* text :
         {"", "02:00:5e:ab:cd", "02:00:5e:ab:cd:0f:", "02:00:5e:ab:cd:0f:01", "02:00-5e:ab:cd:0f", "0200.5eab.cd0f",
          "2:0:5e:ab:cd:0f:", "02:00:5e:ab:cd:0g", " 2:00:5e:ab:cd:0f", "02:00:5e:ab:cd:0 ", "02 00 5e ab cd 0f"}) {
        INFO("'" << text << "'");
        CHECK_FALSE(MacAddress::parse(text));
    }
}

TEST_CASE("MAC addresses know their kinds") {
    CHECK(MacAddress::broadcast().is_group());
    CHECK(MacAddress::parse("01:00:5e:00:00:01")->is_group());
    CHECK_FALSE(MacAddress::parse("02:00:00:00:00:01")->is_group());
    CHECK(MacAddress{}.is_zero());
    CHECK_FALSE(MacAddress::broadcast().is_zero());
}

TEST_CASE("a reversed flow key swaps both ends and reverses back") {
    const FlowKey flow{*Ipv4Address::parse("198.51.100.1"), *Ipv4Address::parse("203.0.113.10"), 40000, 80, 6};
    const FlowKey back = flow.reversed();
    CHECK(back.source == flow.destination);
    CHECK(back.destination == flow.source);
    CHECK(back.source_port == 80);
    CHECK(back.destination_port == 40000);
    CHECK(back.protocol == 6);
    CHECK(back != flow);
    CHECK(back.reversed() == flow);
}
