// What a monitor notices, in a namespace where nothing else happens.
#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>
#include <string>

#include <linux/fib_rules.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/sys/netlink/address.hpp"
#include "common/sys/netlink/inet_conf.hpp"
#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/message.hpp"
#include "common/sys/netlink/monitor.hpp"
#include "common/sys/netlink/route.hpp"
#include "fresh_namespace.hpp"

using namespace dsr;
using namespace dsr::netlink;

namespace {

Address on_loopback(std::uint32_t number) {
    Address address;
    address.link_index = test::kLoopback;
    address.prefix = {wire::Ipv4Address::from_host(0x0a000000U + number), 32};
    return address;
}

// A monitor that has seen the loopback interface come up, and a socket to change things through.
struct Watched {
    test::FreshNamespace fresh;
    Socket socket = Socket::open().value();
    Monitor monitor = Monitor::open().value();

    Watched() {
        REQUIRE_FALSE(monitor.drain().value());
        REQUIRE(set_link_up(socket, test::kLoopback, true));
        REQUIRE(noticed());
    }

    // Waits until there is something, at most five seconds; afterwards there is nothing left.
    [[nodiscard]] bool noticed() {
        pollfd ready{monitor.fd(), POLLIN, 0};
        if (::poll(&ready, 1, 5000) != 1) return false;
        const bool came = monitor.drain().value();
        CHECK_FALSE(monitor.drain().value());
        return came;
    }
};

}  // namespace

TEST_CASE("a monitor notices an address that comes or goes, once") {
    Watched watched;
    REQUIRE(add_address(watched.socket, on_loopback(1)));
    CHECK(watched.noticed());
    REQUIRE(delete_address(watched.socket, on_loopback(1)));
    CHECK(watched.noticed());
}

TEST_CASE("a monitor does not notice what only reads") {
    Watched watched;
    REQUIRE(addresses(watched.socket));
    REQUIRE(links(watched.socket));
    REQUIRE(routes(watched.socket));
    CHECK_FALSE(watched.monitor.drain().value());
}

TEST_CASE("a monitor notices a link, a route, a rule and traffic control") {
    Watched watched;
    REQUIRE(set_link_arp(watched.socket, test::kLoopback, true));
    (void)watched.monitor.drain();
    REQUIRE(set_link_up(watched.socket, test::kLoopback, false));
    CHECK(watched.noticed());
    REQUIRE(set_link_up(watched.socket, test::kLoopback, true));
    CHECK(watched.noticed());

    Route route;
    route.destination = wire::Ipv4Prefix::parse("10.1.0.0/16").value();
    route.link_index = test::kLoopback;
    route.scope = kScopeLink;
    REQUIRE(add_route(watched.socket, route));
    CHECK(watched.noticed());

    Message rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
    fib_rule_hdr head{};
    head.family = AF_INET;
    head.action = FR_ACT_TO_TBL;
    rule.header(head);
    rule.put(FRA_TABLE, kTableMain);
    rule.put(FRA_FWMARK, std::uint32_t{7});
    REQUIRE(request(watched.socket, rule, "add a rule"));
    CHECK(watched.noticed());

    Message qdisc(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
    tcmsg traffic{};
    traffic.tcm_ifindex = test::kLoopback;
    traffic.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0U);
    traffic.tcm_parent = TC_H_CLSACT;
    qdisc.header(traffic);
    qdisc.put(TCA_KIND, std::string("clsact"));
    REQUIRE(request(watched.socket, qdisc, "add clsact"));
    CHECK(watched.noticed());
}

TEST_CASE("a monitor notices rp_filter and forwarding below /proc/sys, and any setting through netlink") {
    Watched watched;
    for (const char* name : {"lo/rp_filter", "all/rp_filter", "default/rp_filter", "lo/forwarding"}) {
        INFO(name);
        const std::string path = std::string("/proc/sys/net/ipv4/conf/") + name;
        int before = -1;
        std::ifstream(path) >> before;
        REQUIRE((before >= 0 && before <= 2));
        REQUIRE(std::ofstream(path) << (before == 0 ? 1 : 0) << std::flush);
        CHECK(watched.noticed());
    }
    REQUIRE(set_inet_conf(watched.socket, test::kLoopback, InetConf::arp_ignore, 3));
    CHECK(watched.noticed());
}

TEST_CASE("more changes than the kernel keeps for us count as a change, and later ones are noticed again") {
    Watched watched;
    const Monitor proof = Monitor::open().value();
    const int smallest = 1;
    for (const int fd : {watched.monitor.fd(), proof.fd()})
        REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest) == 0);
    for (std::uint32_t number = 1; number <= 100; ++number)
        REQUIRE(add_address(watched.socket, on_loopback(number)));
    char byte = 0;
    REQUIRE(::recv(proof.fd(), &byte, 1, MSG_DONTWAIT) == -1);
    REQUIRE(errno == ENOBUFS);

    CHECK(watched.noticed());
    REQUIRE(add_address(watched.socket, on_loopback(1000)));
    CHECK(watched.noticed());
}

TEST_CASE("a monitor needs no privilege") {
    const test::FreshNamespace fresh;
    const test::Nobody nobody;
    CHECK(Monitor::open());
}
