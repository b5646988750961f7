#include "lb/state/next_hop.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

const wire::Ipv4Address kClientGateway = ip("192.0.2.1");
const wire::Ipv4Address kServerGateway = ip("10.0.0.1");
const wire::Ipv4Address kFar = ip("172.16.0.11");

}  // namespace

TEST_CASE("a server on an interface's network is its own next hop by that interface, gateway or not") {
    CHECK(next_hop(two_arms(), {kClientGateway, kServerGateway}, kServer1) == NextHop{1, kServer1});
    CHECK(next_hop(two_arms(), {{}, {}}, ip("192.0.2.77")) == NextHop{0, ip("192.0.2.77")});
}

TEST_CASE("a server on no interface's network is reached by the gateway, of two by the server side's") {
    CHECK(next_hop(two_arms(), {kClientGateway, kServerGateway}, kFar) == NextHop{1, kServerGateway});
    CHECK(next_hop(two_arms(), {kClientGateway, {}}, kFar) == NextHop{0, kClientGateway});
    CHECK(next_hop(one_arm(), {kServerGateway}, kFar) == NextHop{0, kServerGateway});
}

TEST_CASE("without a gateway there is no way to a server on no interface's network") {
    CHECK_FALSE(next_hop(two_arms(), {{}, {}}, kFar).has_value());
    CHECK_FALSE(interface_towards(two_arms(), kFar).has_value());
    CHECK(interface_towards(two_arms(), kServer1) == 1);
}

TEST_CASE("where two interfaces are on one network, the first one is taken") {
    auto interfaces = two_arms();
    interfaces[0].address = interfaces[1].address;
    CHECK(interface_towards(interfaces, kServer1) == 0);
}
