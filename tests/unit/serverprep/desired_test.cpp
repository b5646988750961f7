#include "serverprep/desired.hpp"

#include <catch2/catch.hpp>

#include "common/config/reader.hpp"
#include "fake_kernel.hpp"

using namespace dsr;
using namespace dsr::serverprep;

namespace {

Result<Desired> resolve_on(FakeKernel& kernel, const Request& request) {
    return resolve(request, take_inventory(kernel).value(), [&](wire::Ipv4Address address) -> std::optional<int> {
        const auto found = kernel.lookup({address, std::nullopt, std::nullopt});
        return found.error == 0 ? std::optional(found.link_index) : std::nullopt;
    });
}

std::string interface_of(const Desired& desired) {
    return desired.vips.empty() ? "nothing" : desired.vips.front().interface;
}

std::string error_of(FakeKernel& kernel, const Request& request) {
    const auto result = resolve_on(kernel, request);
    return result ? "resolved to " + interface_of(*result) : result.error().message;
}

config::Config config_of(const std::string& dsr_type, const std::string& server) {
    const std::string yaml =
        "load_balancer: {interfaces: [{name: eth0}]}\n"
        "network_profiles: [{name: p, type: tcp_fast_path, dsr_profile: {dsr_type: " +
        dsr_type +
        "}}]\n"
        "pools:\n"
        "  - {name: ours, servers: [{address: 10.0.0.12}, {address: " +
        server +
        "}]}\n"
        "  - {name: theirs, servers: [{address: 10.0.0.12}]}\n"
        "virtual_services:\n"
        "  - {name: a, vip: 203.0.113.10, ports: [80], network_profile: p, pool: ours}\n"
        "  - {name: b, vip: 203.0.113.10, ports: [443], network_profile: p, pool: ours}\n"
        "  - {name: c, vip: 203.0.113.11, ports: [80], network_profile: p, pool: theirs}\n"
        "  - {name: d, vip: 203.0.113.12, ports: [80], network_profile: p, pool: ours}\n";
    auto read = config::read_text(yaml, "test.yaml");
    if (!read) throw std::runtime_error(config::to_string(read.error().front()));
    return std::move(*read);
}

}  // namespace

TEST_CASE("the interface is the one of the preferred default route") {
    FakeKernel kernel;
    CHECK(interface_of(*resolve_on(kernel, request_for({ip("203.0.113.10")}))) == "eth0");
    netlink::Route other = kernel.route_list[0];
    kernel.route_list[0].metric = 100;
    other.link_index = 3;
    other.metric = 50;
    kernel.route_list.push_back(other);
    CHECK(interface_of(*resolve_on(kernel, request_for({ip("203.0.113.10")}))) == "eth1");
}

TEST_CASE("without a default route the only interface with an address is taken, and two are ambiguous") {
    FakeKernel kernel;
    kernel.route_list.clear();
    CHECK(error_of(kernel, request_for({ip("203.0.113.10")})) ==
          "cannot tell which interface holds the server's address: there is no default route and several have "
          "addresses; say --interface, one of eth0, eth1");
    kernel.address_list.pop_back();
    CHECK(interface_of(*resolve_on(kernel, request_for({ip("203.0.113.10")}))) == "eth0");
}

TEST_CASE("an interface with an address that is down is named with the way to bring it up") {
    FakeKernel kernel;
    kernel.route_list.clear();
    kernel.address_list.pop_back();
    kernel.link_list.at(1).up = false;
    CHECK(error_of(kernel, request_for({ip("203.0.113.10")})) ==
          "cannot tell which interface holds the server's address: eth0 has an address but is down; bring it up (ip "
          "link set eth0 up)");
    kernel.address_list.pop_back();
    CHECK(error_of(kernel, request_for({ip("203.0.113.10")})).find("none has an address") != std::string::npos);
}

TEST_CASE("a load balancer's address chooses the interface towards it") {
    FakeKernel kernel;
    Request request = request_for({ip("203.0.113.10")});
    request.load_balancers = {prefix("192.168.5.2/32")};
    CHECK(interface_of(*resolve_on(kernel, request)) == "eth1");
    request.load_balancers = {prefix("172.16.0.1/32")};
    kernel.route_list.clear();
    CHECK(error_of(kernel, request) == "there is no route from this host to load balancer '172.16.0.1'");
}

TEST_CASE("an unknown interface is refused with the list of those there are, and so is lo") {
    FakeKernel kernel;
    Request request = request_for({ip("203.0.113.10")});
    request.interface = "eth7";
    CHECK(error_of(kernel, request) == "there is no interface 'eth7'; there are: eth0, eth1");
    request.interface = "lo";
    CHECK(error_of(kernel, request).find("'lo' is where the VIP goes") == 0);
}

TEST_CASE("addresses that can be no VIP are refused with the reason") {
    FakeKernel kernel;
    for (const char* text :
         {"0.0.0.0", "0.1.2.3", "127.0.0.5", "224.0.0.5", "255.255.255.255", "10.0.0.255", "10.0.0.0"}) {
        CAPTURE(text);
        CHECK_FALSE(resolve_on(kernel, request_for({ip(text)})).has_value());
    }
    CHECK(error_of(kernel, request_for({ip("10.0.0.255")})) ==
          "VIP '10.0.0.255' is the broadcast address of 10.0.0.0/24 on eth0");
}

TEST_CASE("this host's own address is refused as a VIP, so that nobody is told to delete it") {
    FakeKernel kernel;
    const auto refusal = [&](const char* vip) { return error_of(kernel, request_for({ip(vip)})); };
    CHECK(refusal("10.0.0.11") == "VIP '10.0.0.11' is this host's own address on eth0; choose another VIP");
    CHECK(refusal("192.168.5.11") == "VIP '192.168.5.11' is this host's own address on eth1; choose another VIP");

    // Behind another subnet's address, but the one that reaches the gateway; and its secondary, which does not matter.
    kernel.address_list.insert(kernel.address_list.begin() + 1, {2, prefix("172.16.0.5/16"), "eth0", 0, 0});
    kernel.address_list.push_back({2, prefix("10.0.0.12/24"), "eth0", 0, 0});
    CHECK(refusal("10.0.0.11") == "VIP '10.0.0.11' is this host's own address on eth0; choose another VIP");
    CHECK(refusal("10.0.0.12") == "resolved to eth0");

    // The only address of the way out, of whatever length.
    std::erase_if(kernel.address_list, [](const netlink::Address& address) { return address.link_index == 2; });
    kernel.address_list.push_back({2, prefix("10.0.0.11/32"), "eth0", 0, 0});
    CHECK(refusal("10.0.0.11") == "VIP '10.0.0.11' is this host's own address on eth0; choose another VIP");
}

TEST_CASE("a VIP beside the own address of an interface is no reason to refuse: it is a finding") {
    FakeKernel kernel;
    for (const char* on_eth0 : {"203.0.113.10/32", "203.0.113.10/24", "10.0.0.10/24", "10.0.0.10/32"}) {
        CAPTURE(on_eth0);
        kernel.address_list.push_back({2, prefix(on_eth0), "eth0", 0, 0});
        CHECK(error_of(kernel, request_for({prefix(on_eth0).address})) == "resolved to eth0");
        kernel.address_list.pop_back();
    }
}

TEST_CASE("a gateway, and a load balancer, are refused as a VIP") {
    FakeKernel kernel;
    CHECK(error_of(kernel, request_for({ip("10.0.0.1")})) ==
          "VIP '10.0.0.1' is the gateway of this host's default route; choose another VIP");
    netlink::Route route = kernel.route_list[0];
    route.destination = prefix("172.16.0.0/16");
    route.gateway = ip("192.168.5.1");
    kernel.route_list.push_back(route);
    CHECK(error_of(kernel, request_for({ip("192.168.5.1")})) ==
          "VIP '192.168.5.1' is the gateway of this host's route to 172.16.0.0/16; choose another VIP");
    Request request = request_for({ip("203.0.113.10"), ip("10.0.0.3")});
    request.load_balancers = {prefix("10.0.0.2/32"), prefix("10.0.0.3/32")};
    CHECK(error_of(kernel, request) ==
          "VIP '10.0.0.3' is the load balancer's own address (--load-balancer); choose another VIP");
}

TEST_CASE("a VIP given twice counts once") {
    FakeKernel kernel;
    CHECK(resolve_on(kernel, request_for({ip("203.0.113.10"), ip("203.0.113.10")}))->vips.size() == 1);
}

TEST_CASE("the file gives the VIPs of the pools that have an address of this host, and its interface") {
    FakeKernel kernel;
    Request request;
    request.config = config_of("l2", "192.168.5.11");
    const auto desired = resolve_on(kernel, request);
    REQUIRE(desired.has_value());
    REQUIRE(desired->vips.size() == 2);
    CHECK(desired->vips[0].vip == ip("203.0.113.10"));
    CHECK(desired->vips[1].vip == ip("203.0.113.12"));
    CHECK(desired->interfaces() == std::set<std::string>{"eth1"});
    CHECK(desired->ports.at(ip("203.0.113.10")) == std::set<ServicePorts>{{6, 80, 80}, {6, 443, 443}});
}

TEST_CASE("a file that does not have this host asks for nothing") {
    FakeKernel kernel;
    Request request;
    request.config = config_of("l2", "10.0.0.13");
    CHECK(resolve_on(kernel, request)->vips.empty());
}

TEST_CASE("Layer 3 takes the load balancers of the file and of the command line, and what the host has for tunnels") {
    FakeKernel kernel;
    Request request;
    request.config = config_of("l3", "10.0.0.11");
    request.load_balancers = {prefix("10.0.0.2/32")};
    kernel.ipip = true;
    const auto served = resolve_on(kernel, request)->vips.at(0);
    CHECK(served.tunnelled());
    CHECK(served.decap == DecapKind::ipip);
    CHECK(served.load_balancers == request.load_balancers);
    kernel.ipip = false;
    CHECK(resolve_on(kernel, request)->vips.at(0).decap == DecapKind::bpf);
    kernel.ipip = true;
    request.load_balancers = {prefix("10.9.0.0/24")};
    CHECK(resolve_on(kernel, request)->vips.at(0).decap == DecapKind::bpf);
    request.decap = DecapKind::ipip;
    CHECK(error_of(kernel, request) ==
          "--decap: 'ipip' takes single addresses, and load balancer '10.9.0.0/24' is a network: use bpf");
    request.load_balancers.clear();
    CHECK(error_of(kernel, request) ==
          "--decap: 'ipip' makes one tunnel for each load balancer: say --load-balancer ADDRESS");
    request.decap = DecapKind::bpf;
    kernel.bpf = false;
    CHECK(error_of(kernel, request) == "--decap: 'bpf' is not in this build: it was made without clang or libbpf");
}
