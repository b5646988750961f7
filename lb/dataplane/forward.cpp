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

Chosen find_server(const ForwardingTable& table, FlowTime now, const Packet& packet, const Classified& found,
                   WorkerState& state) {
    const Service& service = table.services[packet.service];
    switch (found.way) {
        case Way::per_packet:
            return chosen(table, ring_server(service, ring::mix64(found.lookup.hash + ++state.datagrams)));
        case Way::quoted_flow:
            return chosen(table, server_of_flow(table, service, found.lookup, now, state.flows));
        case Way::echo:
            return chosen(table, ring_server(service, found.lookup.hash));
        default:
            return choose_server(table, service, found.lookup, now, state);
    }
}

// Service and server of a fragment that has no ports. False: the first fragment has not come; this one waits.
bool follow_first_fragment(const ForwardingTable& table, FlowTime now, Packet& packet, const Classified& found,
                           Chosen& choice, Fragments& fragments) {
    const Fragments::Owner* owner = fragments.follow(found.view(), now);
    if (owner == nullptr) return fragments.hold(packet, found.view(), now), false;
    packet.service = owner->service;
    // Another server cannot make use of the rest of a datagram.
    const bool still_there = owner->service < table.services.size() && owner->server < table.servers.size() &&
                             table.services[owner->service].ring &&
                             serves(table.servers[owner->server], table.services[owner->service]);
    if (still_there) choice = chosen(table, owner->server);
    return true;
}

// With Layer 2, and wherever the server is the next hop itself, a packet that comes from there was routed back by it.
bool bounced(const Packet& packet, const Server& server) {
    return wire::header_at<wire::EthernetHeader>(packet.bytes()).source == server.macs.destination && server.on_link;
}

// Encapsulates or not, and gives the frame its new MAC addresses.
[[gnu::always_inline]] inline void rewrite(Packet& packet, const Classified& found, const Service& service,
                                           const Server& server) {
    if (service.layer3) {
        const wire::Ipv4Header& inner = *found.ip;
        const std::uint16_t id = inner.dont_fragment() ? 0 : outer_id(inner, found.lookup.hash);
        if (service.outer_source.length == 0) [[likely]]
            encapsulate(packet, server.outer, inner, id);
        else
            encapsulate(packet,
                        OuterHeader::between(outer_source(service.outer_source, found.lookup.hash), server.address),
                        inner, id);
    }
    rewrite_layer2(packet.mutable_bytes(), server.macs);
}

// The packet has its server, or none.
[[gnu::always_inline]] inline void hand_over(const ForwardingTable& table, FlowTime now, Packet& packet,
                                             const Classified& found, const Service& service, const Chosen& chosen,
                                             WorkerState& state) {
    packet.server = chosen.id;
    if (chosen.server == nullptr) [[unlikely]]
        return packet.drop(Drop::no_server);
    const Server& server = *chosen.server;
    if (!server.resolved) [[unlikely]]
        return packet.drop(Drop::no_neighbor);
    if (bounced(packet, server)) [[unlikely]] {
        state.counters.members.at(packet.service, packet.server).bounced.add();
        return packet.drop(Drop::bounced);
    }
    packet.egress = server.interface;
    std::uint32_t room = server.mtu;
    if (service.layer3)
        room = std::min(room, state.tunnel_mtus.of(server.address, now)) - static_cast<std::uint32_t>(kOuterLength);
    if (!fit_egress(table, now, packet, found, room, state.icmp_errors)) return;
    rewrite(packet, found, service, server);
    packet.verdict = Verdict::forwarded;
}

// Whatever is not simply a packet of a flow.
[[gnu::noinline]] void send_another_way(const ForwardingTable& table, FlowTime now, Packet& packet,
                                        const Classified& found, WorkerState& state) {
    if (found.way == Way::tunnel_error) return handle_tunnel_error(table, now, packet, found.view(), state);
    Chosen choice;
    if (found.way == Way::later_fragment) {
        if (!follow_first_fragment(table, now, packet, found, choice, state.fragments)) return;
    } else {
        choice = find_server(table, now, packet, found, state);
        if (found.first_fragment) state.fragments.decide(found.view(), {packet.service, choice.id}, now);
    }
    if (choice.server == nullptr) return packet.drop(Drop::no_server);  // a fragment's service may be gone as well
    hand_over(table, now, packet, found, table.services[packet.service], choice, state);
}

}  // namespace

void forward(const ForwardingTable& table, FlowTime now, std::span<Packet> burst, WorkerState& state) {
    // Two passes, so that the flow table's cache lines are on their way while the rest of the burst is parsed.
    Classified* found = state.found.data();
    for (Packet& packet : burst) {
        if (!classify_plain(table, packet, *found)) [[unlikely]]
            classify(table, packet, *found, state.counters);
        if (found->way == Way::flow) [[likely]]
            state.flows.prefetch(found->lookup.hash);
        ++found;
    }
    found = state.found.data();
    for (Packet& packet : burst) {
        if (found->way == Way::flow) [[likely]] {
            const Service& service = table.services[packet.service];
            const Chosen choice = choose_server(table, service, found->lookup, now, state);
            hand_over(table, now, packet, *found, service, choice, state);
        } else if (found->way != Way::ended) {
            send_another_way(table, now, packet, *found, state);
        }
        ++found;
    }
}

}  // namespace dsr::lb
