#include "lb/dataplane/forward.hpp"

#include <algorithm>

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/choose_server.hpp"
#include "lb/dataplane/classify.hpp"
#include "lb/dataplane/classify_plain.hpp"
#include "lb/dataplane/fit_egress.hpp"
#include "lb/dataplane/layer2.hpp"
#include "lb/dataplane/layer3.hpp"
#include "lb/dataplane/path_mtu.hpp"

namespace dsr::lb {
namespace {

ServerId find_server(const ForwardingTable& table, FlowTime now, const Packet& packet, const Classified& found,
                     WorkerState& state) {
    const Service& service = table.services[packet.service];
    switch (found.way) {
        case Way::per_packet:
            return ring_server(service, ring::mix64(found.lookup.hash + ++state.datagrams));
        case Way::quoted_flow:
            return server_of_flow(table, service, found.lookup, now, state.flows);
        case Way::echo:
            return ring_server(service, found.lookup.hash);
        default:
            return choose_server(table, service, found.lookup, now, state);
    }
}

// Service and server of a fragment that has no ports. False: the first fragment has not come; this one waits.
bool follow_first_fragment(const ForwardingTable& table, FlowTime now, Packet& packet, const Classified& found,
                           Fragments& fragments) {
    const Fragments::Owner* owner = fragments.follow(found.view(), now);
    if (owner == nullptr) return fragments.hold(packet, found.view(), now), false;
    packet.service = owner->service;
    // Another server cannot make use of the rest of a datagram.
    const bool still_there = owner->service < table.services.size() && owner->server < table.servers.size() &&
                             table.services[owner->service].ring &&
                             serves(table.servers[owner->server], table.services[owner->service]);
    packet.server = still_there ? owner->server : kNoServer;
    return true;
}

// With Layer 2, and wherever the server is the next hop itself, a packet that comes from there was routed back by it.
bool bounced(const Packet& packet, const Server& server) {
    return server.on_link && wire::header_at<wire::EthernetHeader>(packet.bytes()).source == server.mac;
}

// Encapsulates or not, and gives the frame its new MAC addresses.
[[gnu::always_inline]] inline void rewrite(const ForwardingTable& table, Packet& packet, const Classified& found,
                                           const Service& service, const Server& server) {
    if (service.layer3) {
        const wire::Ipv4Header& inner = *found.ip;
        // The client's identification, which differs from packet to packet, set apart from other clients' by the hash.
        const auto id =
            static_cast<std::uint16_t>(inner.id.host() + inner.fragment_offset() / 8 + (found.lookup.hash >> 16U));
        if (service.outer_source.length == 0) [[likely]]
            encapsulate(packet, server.outer, inner, id);
        else
            encapsulate(packet,
                        OuterHeader::between(outer_source(service.outer_source, found.lookup.hash), server.address),
                        inner, id);
    }
    rewrite_layer2(packet.mutable_bytes(), server.mac, table.interfaces[packet.egress].mac);
}

// The packet has its server, or kNoServer.
[[gnu::always_inline]] inline void hand_over(const ForwardingTable& table, FlowTime now, Packet& packet,
                                             const Classified& found, WorkerState& state) {
    if (packet.server == kNoServer) [[unlikely]]
        return packet.drop(Drop::no_server);
    const Service& service = table.services[packet.service];
    const Server& server = table.servers[packet.server];
    if (!server.resolved) [[unlikely]]
        return packet.drop(Drop::no_neighbor);
    if (bounced(packet, server)) [[unlikely]] {
        state.counters.members.at(packet.service, packet.server).bounced.add();
        return packet.drop(Drop::bounced);
    }
    packet.egress = server.interface;
    std::uint32_t room = table.interfaces[packet.egress].mtu;
    if (service.layer3)
        room = std::min(room, state.tunnel_mtus.of(server.address, now)) - static_cast<std::uint32_t>(kOuterLength);
    if (!fit_egress(table, now, packet, found, room, state.icmp_errors)) return;
    rewrite(table, packet, found, service, server);
    packet.verdict = Verdict::forwarded;
}

// Whatever is not simply a packet of a flow.
[[gnu::noinline]] void send_another_way(const ForwardingTable& table, FlowTime now, Packet& packet,
                                        const Classified& found, WorkerState& state) {
    if (found.way == Way::tunnel_error) return handle_tunnel_error(table, now, packet, found.view(), state);
    if (found.way == Way::later_fragment) {
        if (!follow_first_fragment(table, now, packet, found, state.fragments)) return;
    } else {
        packet.server = find_server(table, now, packet, found, state);
        if (found.first_fragment) state.fragments.decide(found.view(), {packet.service, packet.server}, now);
    }
    hand_over(table, now, packet, found, state);
}

}  // namespace

void forward(const ForwardingTable& table, FlowTime now, std::span<Packet> burst, WorkerState& state) {
    // Two passes, so that the flow table's cache lines are on their way while the rest of the burst is parsed.
    auto& found = state.found;
    for (std::size_t i = 0; i < burst.size(); ++i) {
        if (!classify_plain(table, burst[i], found[i])) [[unlikely]]
            classify(table, burst[i], found[i], state.counters);
        if (found[i].way == Way::flow) state.flows.prefetch(found[i].lookup.hash);
    }
    for (std::size_t i = 0; i < burst.size(); ++i) {
        Packet& packet = burst[i];
        if (found[i].way == Way::flow) [[likely]] {
            packet.server = choose_server(table, table.services[packet.service], found[i].lookup, now, state);
            hand_over(table, now, packet, found[i], state);
        } else if (found[i].way != Way::ended) {
            send_another_way(table, now, packet, found[i], state);
        }
    }
}

}  // namespace dsr::lb
