// Routes with metrics and policy rules, asked of the kernel in a namespace of the test's own.
#include <bit>
#include <catch2/catch.hpp>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/message.hpp"
#include "common/sys/netlink/route.hpp"
#include "common/sys/netlink/sockets.hpp"
#include "fresh_namespace.hpp"

using namespace dsr;
using namespace dsr::netlink;

namespace {

wire::Ipv4Address address(std::string_view text) {
    return wire::Ipv4Address::parse(text).value();
}

// A namespace whose loopback interface is up.
struct Network {
    test::FreshNamespace fresh;
    Socket socket = Socket::open().value();
    Network() { REQUIRE(set_link_up(socket, test::kLoopback, true)); }

    void add(const Route& route) {
        const auto done = add_route(socket, route);
        if (!done) FAIL(done.error().message);
    }

    // 'ip rule add … table TABLE', where `put_selector` puts the selector.
    template <typename PutSelector>
    void add_rule(std::uint32_t table, PutSelector put_selector) {
        Message message(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
        fib_rule_hdr head{};
        head.family = AF_INET;
        head.action = FR_ACT_TO_TBL;
        message.header(head);
        message.put(FRA_TABLE, table);
        put_selector(message);
        const auto done = request(socket, message, "add a rule");
        if (!done) FAIL(done.error().message);
    }
};

Route to(std::string_view prefix, std::uint32_t advmss, std::uint32_t table = kTableMain) {
    Route route;
    route.destination = wire::Ipv4Prefix::parse(prefix).value();
    route.link_index = test::kLoopback;
    route.scope = 253;
    route.table = table;
    route.advmss = advmss;
    return route;
}

std::uint32_t range(std::uint16_t first, std::uint16_t last) {
    return std::bit_cast<std::uint32_t>(fib_rule_port_range{first, last});
}

}  // namespace

TEST_CASE("a namespace that never had a route has none, which is no error") {
    const test::FreshNamespace fresh;
    auto socket = Socket::open();
    REQUIRE(socket);
    const auto found = routes(*socket);
    if (!found) FAIL(found.error().message);
    CHECK(found->empty());
}

TEST_CASE("the MSS of a route is written, read back and found by a lookup") {
    Network network;
    const Route with = to("10.1.0.0/16", 1440);
    const Route without = to("10.2.0.0/16", 0);
    network.add(with);
    network.add(without);
    CHECK(routes(network.socket).value() == std::vector{with, without});

    const auto found = route_lookup(network.socket, {.destination = address("10.1.2.3")});
    CHECK(found.error == 0);
    CHECK(found.advmss == 1440);
    CHECK(found.mtu == 0);
    CHECK(route_lookup(network.socket, {.destination = address("10.2.2.3")}).advmss == 0);

    REQUIRE(delete_route(network.socket, with));
    CHECK(routes(network.socket).value() == std::vector{without});
}

TEST_CASE("a lookup tells the MTU of a route that has one") {
    Network network;
    Message message(RTM_NEWROUTE, NLM_F_CREATE);
    rtmsg head{};
    head.rtm_family = AF_INET;
    head.rtm_dst_len = 24;
    head.rtm_table = RT_TABLE_MAIN;
    head.rtm_protocol = RTPROT_STATIC;
    head.rtm_scope = RT_SCOPE_LINK;
    head.rtm_type = RTN_UNICAST;
    message.header(head);
    message.put(RTA_DST, address("10.1.2.0"));
    message.put(RTA_OIF, std::uint32_t{test::kLoopback});
    message.nest(RTA_METRICS, [&] { message.put(RTAX_MTU, std::uint32_t{1480}); });
    REQUIRE(request(network.socket, message, "add a route"));
    const auto found = route_lookup(network.socket, {.destination = address("10.1.2.3")});
    CHECK(found.mtu == 1480);
    CHECK(found.advmss == 0);
}

TEST_CASE("a lookup follows policy rules by mark, protocol and ports") {
    Network network;
    network.add(to("10.0.0.0/8", 1000));
    network.add(to("10.0.0.0/8", 1001, 101));
    network.add(to("10.0.0.0/8", 1002, 102));
    network.add(to("10.0.0.0/8", 1003, 103));
    network.add_rule(101, [](Message& rule) { rule.put(FRA_FWMARK, std::uint32_t{7}); });
    network.add_rule(102, [](Message& rule) {
        rule.put(FRA_IP_PROTO, kProtocolTcp);
        rule.put(FRA_DPORT_RANGE, range(80, 80));
    });
    network.add_rule(103, [](Message& rule) {
        rule.put(FRA_IP_PROTO, kProtocolUdp);
        rule.put(FRA_SPORT_RANGE, range(53, 53));
    });
    const auto advmss = [&](RouteQuery query) {
        query.destination = address("10.1.2.3");
        const auto found = route_lookup(network.socket, query);
        INFO(found.words);
        CHECK(found.error == 0);
        return found.advmss;
    };
    CHECK(advmss({}) == 1000);
    CHECK(advmss({.mark = 7}) == 1001);
    CHECK(advmss({.mark = 8}) == 1000);
    CHECK(advmss({.protocol = kProtocolTcp, .destination_port = 80}) == 1002);
    CHECK(advmss({.protocol = kProtocolTcp, .destination_port = 81}) == 1000);
    CHECK(advmss({.protocol = kProtocolUdp, .destination_port = 80}) == 1000);
    CHECK(advmss({.protocol = kProtocolUdp, .source_port = 53, .destination_port = 80}) == 1003);
}
