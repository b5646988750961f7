// What is known of the packets in question at one place of their way, after what earlier rules did to them. Knows how
// the kernel fills the fields that rules compare, not which rules there are.
#pragma once

#include "serverprep/firewall/filtered_packet.hpp"
#include "serverprep/firewall/model.hpp"

namespace dsr::serverprep::firewall {

struct Place {
    Hook hook = Hook::none;
    Truth tracked = Truth::no;  // whether connection tracking has seen the packet
};

// Of a base chain.
Place place_of(const Chain& chain);

struct PacketState {
    explicit PacketState(const FilteredPacket& which) : packet(&which) {}

    const FilteredPacket* packet;
    Truth untracked = Truth::no;
    bool tracking_changed = false;
    bool redirected = false;  // by dnat or redirect, perhaps
    bool rewritten = false;   // addresses and ports are no longer known
    bool packet_type_changed = false;

    // `certain`: for all of the packets that are still on their way.
    void apply(Effect effect, const Place& place, bool certain);
    [[nodiscard]] FieldValue value(const Operand& operand, const Place& place) const;

private:
    [[nodiscard]] FieldValue field(const Operand& operand, const Place& place) const;
    [[nodiscard]] FieldValue ct_state(const Place& place) const;
    [[nodiscard]] FieldValue ct_status(const Place& place) const;
    [[nodiscard]] FieldValue address(bool source) const;
    [[nodiscard]] FieldValue port(bool source) const;
    [[nodiscard]] FieldValue address_type(bool source) const;
    [[nodiscard]] FieldValue tcp_flags() const;
};

}  // namespace dsr::serverprep::firewall
