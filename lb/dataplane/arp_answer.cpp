#include "lb/dataplane/arp_answer.hpp"

namespace dsr::lb {
namespace {

bool answers_for(const ForwardingTable& table, const Interface& interface, wire::Ipv4Address address) {
    if (interface.alone && address == interface.address.address) return true;
    return table.active && table.service_map.find(address) != nullptr;
}

}  // namespace

void handle_arp(const ForwardingTable& table, Packet& packet, const wire::EthernetView& frame) {
    const auto parsed = wire::parse_arp(frame.payload);
    if (!parsed) {
        packet.drop(drop_of(parsed.error()));
        return;
    }
    const Interface& interface = table.interfaces[packet.ingress];
    const wire::ArpHeader& request = **parsed;
    packet.neighbor = frame.tags == 0;
    packet.verdict = Verdict::passed;
    // A sender that announces the address as its own gets no answer.
    if (request.operation.host() != wire::kArpRequest || request.sender_address == request.target_address ||
        !answers_for(table, interface, request.target_address))
        return;

    auto& ethernet = wire::header_at<wire::EthernetHeader>(packet.mutable_bytes());
    auto& arp = wire::header_at<wire::ArpHeader>(packet.mutable_bytes(), packet.length - frame.payload.size());
    ethernet.destination = arp.sender_mac;
    ethernet.source = interface.mac;
    arp.operation = wire::be16(wire::kArpReply);
    arp.target_mac = arp.sender_mac;
    std::swap(arp.target_address, arp.sender_address);
    arp.sender_mac = interface.mac;
    packet.egress = packet.ingress;
    packet.neighbor = false;
    packet.verdict = Verdict::answered;
    packet.answer = Answer::arp;
}

}  // namespace dsr::lb
