// Whether what a rule asks for holds for a class of packets.
#pragma once

#include <string>

#include "serverprep/firewall/packet_state.hpp"

namespace dsr::serverprep::firewall {

struct Answer {
    Truth holds = Truth::maybe;
    std::string reason{};  // why it is not known, if it is not
};

Answer ask(const Match& match, const PacketState& state, const Place& place);
// Whether the map has an entry for the packet, each entry by its own.
Answer ask_element(const VerdictMap& map, std::size_t index, const std::vector<FieldValue>& values);
std::vector<FieldValue> values_of(const std::vector<Operand>& operands, const PacketState& state, const Place& place);
bool any_absent(const std::vector<FieldValue>& values);

}  // namespace dsr::serverprep::firewall
