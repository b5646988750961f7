// What other people have on a link is neither overwritten nor taken away.
#include <algorithm>
#include <catch2/catch.hpp>

#include "network.hpp"
#include "serverprep/kernel/bpf_filters.hpp"

namespace dsr::test {
namespace {

using serverprep::Filter;
using serverprep::FilterRole;

Filter decapsulation() {
    Filter filter;
    filter.link = "s0";
    filter.vips = {address("10.9.9.9")};
    filter.addresses = {address("10.9.0.2")};
    return filter;
}

std::string filters_shown() {
    return output("tc filter show dev s0 ingress; tc filter show dev s0 egress");
}

int index_of(const char* name) {
    auto socket = netlink::Socket::open();
    return netlink::find_link(*socket, name)->value().index;
}

std::size_t foreign_on_s0() {
    auto socket = netlink::Socket::open();
    const auto links = serverprep::clsact_links(*socket);
    REQUIRE(links);
    const auto at = std::ranges::find(*links, "s0", &serverprep::Clsact::link);
    REQUIRE(at != links->end());
    return at->foreign_filters;
}

void check_refused_and_unchanged() {
    const std::string before = filters_shown();
    const auto done = serverprep::install_filter(decapsulation());
    REQUIRE(!done);
    CHECK(done.error().message.find("a filter of somebody else is in the place of ours on link 's0'") !=
          std::string::npos);
    CHECK(serverprep::uninstall_filter(FilterRole::decapsulate, "s0"));
    CHECK(serverprep::installed_filters()->empty());
    CHECK(filters_shown() == before);
    CHECK(foreign_on_s0() > 0);
}

// A classic BPF program that lets everything pass.
constexpr const char* kTheirs = "bpf bytecode '1,6 0 0 0'";

}  // namespace

TEST_CASE("filters: somebody else's BPF filter in our place is an error, and stays") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    run(std::string("tc filter add dev s0 ingress prio 77 protocol all handle 0x4d01 ") + kTheirs);
    check_refused_and_unchanged();
}

TEST_CASE("filters: somebody else's filter of another kind in our priority is an error, and stays") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    run("tc filter add dev s0 ingress prio 77 protocol all u32 match u32 0 0 flowid 1:1");
    check_refused_and_unchanged();
}

TEST_CASE("filters: other people's filters live beside ours, and survive it") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    run(std::string("tc filter add dev s0 ingress prio 77 protocol all handle 0x9 ") + kTheirs);
    run(std::string("tc filter add dev s0 ingress prio 1 protocol all handle 0x4d01 ") + kTheirs);
    run("tc filter add dev s0 egress prio 5 protocol ip u32 match u32 0 0 flowid 1:1");
    const std::string before = filters_shown();
    const std::size_t foreign = foreign_on_s0();
    CHECK(foreign >= 3);
    REQUIRE(serverprep::install_filter(decapsulation()));
    CHECK(foreign_on_s0() == foreign);
    CHECK(serverprep::installed_filters()->size() == 1);
    REQUIRE(serverprep::uninstall_filter(FilterRole::decapsulate, "s0"));
    CHECK(filters_shown() == before);
}

TEST_CASE("clsact: added once, seen, and removed; adding again and removing again succeed") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    auto socket = netlink::Socket::open();
    const int lo = index_of("lo");
    for (int times = 0; times < 2; ++times)
        REQUIRE(netlink::add_clsact(*socket, lo));
    const auto links = serverprep::clsact_links(*socket);
    REQUIRE(links);
    REQUIRE(links->size() == 2);
    CHECK(links->front().link == "lo");
    CHECK(links->front().foreign_filters == 0);
    for (int times = 0; times < 2; ++times)
        REQUIRE(netlink::remove_clsact(*socket, lo));
    CHECK(serverprep::clsact_links(*socket)->size() == 1);
    CHECK(foreign_on_s0() == 0);
}

TEST_CASE("clsact: an 'ingress' qdisc in its place is named, and not removed") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    auto socket = netlink::Socket::open();
    run("tc qdisc add dev lo ingress");
    const auto added = netlink::add_clsact(*socket, index_of("lo"));
    REQUIRE(!added);
    CHECK(added.error().message.find("'ingress'") != std::string::npos);
    REQUIRE(netlink::remove_clsact(*socket, index_of("lo")));
    CHECK(output("tc qdisc show dev lo").find("ingress") != std::string::npos);
}

TEST_CASE("filters: a filter after ours sees what was decapsulated, and may take it") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    run("ip address add 10.9.9.10/32 dev lo && ip link add x0 type veth peer name x1 && ip link set x0 up");
    Filter filter = decapsulation();
    filter.vips.insert(address("10.9.9.10"));
    REQUIRE(serverprep::install_filter(filter));
    const UdpReceiver taken("10.9.9.9", 7000), left("10.9.9.10", 7000);
    const auto send = [&](const char* vip, const std::string& payload) {
        const Namespace::Inside other(pair.client);
        IpipSender().send(udp_packet(vip, payload));
    };
    send("10.9.9.9", "before");
    CHECK(taken.next() == "before");
    run("tc filter add dev s0 ingress prio 100 protocol ip u32 match ip dst 10.9.9.9/32 "
        "action mirred egress redirect dev x0");
    send("10.9.9.9", "theirs");
    send("10.9.9.10", "after it");
    CHECK(left.next() == "after it");
    CHECK(taken.is_empty());
}

}  // namespace dsr::test
