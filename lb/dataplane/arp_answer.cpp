#include "lb/dataplane/arp_answer.hpp"

namespace dsr::lb {

void handle_arp(const ForwardingTable& table, Packet& packet, wire::Bytes payload) {
    const auto parsed = wire::parse_arp(payload);
    if (!parsed) {
        packet.drop(drop_of(parsed.error()));
        return;
    }
    const Interface& interface = table.interfaces[packet.ingress];
    const wire::ArpHeader& request = **parsed;
    packet.neighbor = true;
    packet.verdict = Verdict::passed;
    // A sender that claims the VIP for itself (a probe or announcement) gets no answer.
    if (request.operation.host() != wire::kArpRequest || !table.service_map.is_vip(request.target_address) ||
        request.sender_address == request.target_address)
        return;

    auto& ethernet = wire::header_at<wire::EthernetHeader>(packet.mutable_bytes());
    auto& arp = wire::header_at<wire::ArpHeader>(packet.mutable_bytes(), packet.length - payload.size());
    ethernet.destination = arp.sender_mac;
    ethernet.source = interface.mac;
    arp.operation = wire::be16(wire::kArpReply);
    arp.target_mac = arp.sender_mac;
    std::swap(arp.target_address, arp.sender_address);
    arp.sender_mac = interface.mac;
    packet.egress = packet.ingress;
    packet.neighbor = false;
    packet.verdict = Verdict::answered;
}

}  // namespace dsr::lb
