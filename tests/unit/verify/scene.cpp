#include "tests/unit/verify/scene.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <numeric>

namespace dsr::verify::test {

using wire::FlowKey;
using wire::FrameBuilder;
using wire::MacAddress;

Scene::Scene(Protocol protocol) {
    vip.vip = kVip;
    vip.path = {"eth0", kClientMac, kClient, {}, false};
    vip.arp_audited = true;
    TargetObservation seen;
    seen.target = {kVip, 80, protocol, {{kServer1, 1, kMac1}, {kServer2, 1, kMac2}}, 251};
    for (std::uint16_t i = 0; i < 4; ++i) {
        const auto port = static_cast<std::uint16_t>(20000 + i);
        seen.flows.push_back({{kClient, kVip, port, 80, static_cast<std::uint8_t>(protocol)}, std::size_t{i} / 2});
    }
    vip.targets.push_back(seen);
}

void Scene::frame(const std::function<void(FrameBuilder&)>& write) {
    std::array<std::uint8_t, 512> buffer{};
    FrameBuilder builder(buffer);
    write(builder);
    const auto bytes = builder.finish();
    REQUIRE(bytes.has_value());
    vip.frames.push_back({std::chrono::nanoseconds(vip.frames.size()), {bytes->begin(), bytes->end()}});
}

void Scene::arp_reply(const MacAddress& from, wire::Ipv4Address address) {
    frame([&](FrameBuilder& b) {
        b.ethernet(kClientMac, from).arp(wire::kArpReply, from, address, kClientMac, kClient);
    });
}

void Scene::request(const FlowKey& flow, const MacAddress& to) {
    for (const bool first : {true, false})
        frame([&](FrameBuilder& b) {
            b.ethernet(to, kClientMac).ipv4({.source = flow.source, .destination = flow.destination});
            if (flow.protocol == wire::kProtocolUdp)
                b.udp(flow.source_port, flow.destination_port);
            else
                b.tcp({.source_port = flow.source_port,
                       .destination_port = flow.destination_port,
                       .sequence = first ? kSequence : kSequence + 1,
                       .flags = first ? wire::kTcpSyn : std::uint8_t{wire::kTcpFin | wire::kTcpAck}});
        });
}

void Scene::reply(const FlowKey& flow, const MacAddress& from, std::uint8_t ttl) {
    for (const bool first : {true, false})
        frame([&](FrameBuilder& b) {
            b.ethernet(kClientMac, from).ipv4({.source = flow.destination, .destination = flow.source, .ttl = ttl});
            if (flow.protocol == wire::kProtocolUdp)
                b.udp(flow.destination_port, flow.source_port);
            else
                b.tcp({.source_port = flow.destination_port,
                       .destination_port = flow.source_port,
                       .acknowledgment = first ? kSequence + 1 : kSequence + 2,
                       .flags = first ? std::uint8_t{wire::kTcpSyn | wire::kTcpAck} : wire::kTcpAck});
        });
}

void Scene::reply_from(const FlowKey& flow, const MacAddress& from, wire::Ipv4Address source) {
    FlowKey other = flow;
    other.destination = source;
    reply(other, from);
}

void Scene::reset(const FlowKey& flow, const MacAddress& from) {
    frame([&](FrameBuilder& b) {
        b.ethernet(kClientMac, from)
            .ipv4({.source = flow.destination, .destination = flow.source})
            .tcp({.source_port = flow.destination_port,
                  .destination_port = flow.source_port,
                  .acknowledgment = kSequence + 1,
                  .flags = wire::kTcpRst | wire::kTcpAck});
    });
}

void Scene::icmp_error(const FlowKey& flow, const MacAddress& from, wire::Ipv4Address source, std::uint8_t type,
                       std::uint8_t code) {
    frame([&](FrameBuilder& b) {
        b.ethernet(kClientMac, from)
            .ipv4({.source = source, .destination = kClient})
            .icmp({.type = type, .code = code})
            .ipv4({.source = flow.source, .destination = flow.destination});
        if (flow.protocol == wire::kProtocolUdp)
            b.udp(flow.source_port, flow.destination_port);
        else
            b.tcp({.source_port = flow.source_port, .destination_port = flow.destination_port, .flags = wire::kTcpSyn});
    });
}

void Scene::converse(const std::function<MacAddress(std::size_t)>& replier) {
    for (std::size_t i = 0; i < target().flows.size(); ++i) {
        const MacAddress next_hop = vip.path.gateway ? kStranger : kLbMac;
        request(flow(i), next_hop);
        const MacAddress from = replier ? replier(i) : vip.path.gateway ? kStranger : i < 2 ? kMac1 : kMac2;
        if (!from.is_zero()) reply(flow(i), from, vip.path.gateway ? 63 : 64);
    }
}

void Scene::healthy_arp() {
    arp_reply(kLbMac, kVip);
}

const Knock& Scene::knock(std::size_t server, const MacAddress& mac) {
    const auto port = static_cast<std::uint16_t>(32000 + 2 * server);
    const auto protocol = static_cast<std::uint8_t>(target().target.protocol);
    const wire::Ipv4Address address = target().target.servers[server].address;
    target().knocks.push_back({.server = server,
                               .direct = {kClient, kVip, port, 80, protocol},
                               .echo_id = vip.free_echo_id(),
                               .own = {kClient, address, static_cast<std::uint16_t>(port + 1), 80, protocol}});
    const Knock& made = target().knocks.back();
    request(made.direct, mac);
    request(made.own, mac);
    return made;
}

void Scene::echo_reply(const Knock& knock, const MacAddress& from) {
    frame([&](FrameBuilder& b) {
        b.ethernet(kClientMac, from)
            .ipv4({.source = kVip, .destination = kClient})
            .icmp({.type = wire::kIcmpEchoReply, .rest_high = knock.echo_id, .rest_low = kKnockVip});
    });
}

void Scene::echo_error(const Knock& knock, std::uint16_t sequence, const MacAddress& from, wire::Ipv4Address source,
                       std::uint8_t type, std::uint8_t code) {
    frame([&](FrameBuilder& b) {
        b.ethernet(kClientMac, from)
            .ipv4({.source = source, .destination = kClient})
            .icmp({.type = type, .code = code})
            .ipv4({.source = kClient, .destination = sequence == kKnockVip ? kVip : kElsewhere, .ttl = 1})
            .icmp({.type = wire::kIcmpEchoRequest, .rest_high = knock.echo_id, .rest_low = sequence});
    });
}

LbCounters counters_of(Protocol protocol, std::uint64_t received, const std::vector<std::uint64_t>& servers,
                       std::uint64_t returns) {
    ServiceCounters service;
    service.vip = kVip;
    service.protocol = protocol;
    service.ports = {{80, 80}};
    service.packets = std::accumulate(servers.begin(), servers.end(), std::uint64_t{0});
    service.return_packets = returns;
    service.servers = {{kServer1, kMac1, servers.at(0)}, {kServer2, kMac2, servers.at(1)}};
    return {received, {service}};
}

void Scene::counters(std::uint64_t received, std::vector<std::uint64_t> servers, std::uint64_t returns) {
    // Not from zero: only the growth counts.
    target().before = counters_of(target().target.protocol, 100, {20, 30}, 7);
    target().after =
        counters_of(target().target.protocol, 100 + received, {20 + servers.at(0), 30 + servers.at(1)}, 7 + returns);
}

void Scene::forget_servers() {
    target().target.servers.clear();
    target().target.maglev_table_size = 0;
    for (PlannedFlow& planned : target().flows)
        planned.server.reset();
}

void Scene::route() {
    vip.path.gateway = kGateway;
}

std::vector<Claim> Scene::claims() const {
    return judge({{vip}});
}

Claim Scene::claim(const std::string& name, const std::string& about) const {
    for (Claim& claim : claims())
        if (claim.claim == name && claim.subject.ends_with(about)) return std::move(claim);
    FAIL("no claim " << name << " about '" << about << "'");
    return {};
}

}  // namespace dsr::verify::test
