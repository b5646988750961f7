// What becomes of a class of packets in one base chain: all that may happen, not the first thing that might. Knows one
// table and nothing of the way between hooks.
#pragma once

#include <string>
#include <vector>

#include "serverprep/firewall/packet_state.hpp"

namespace dsr::serverprep::firewall {

// What may become of packets; both when it depends on what is not known. Never neither.
struct BaseOutcome {
    bool passes = false;
    bool drops = false;
};

struct Uncertainty {
    const Chain* chain = nullptr;
    const Rule* rule = nullptr;
    std::string reason{};
};

// The rule that dropped what was still there, or (without one) the chain's policy.
struct Culprit {
    const Chain* chain = nullptr;
    const Rule* rule = nullptr;
    bool names_the_packet = false;  // it asks for the packet's address, port or protocol, and for nothing else
};

struct ChainReport {
    BaseOutcome outcome{};
    std::vector<Uncertainty> uncertainties{};
    Culprit culprit{};
    std::vector<const Rule*> redirecting;
};

// `certain`: what the chain does to the packet is done to all of them. Changes `state` as the rules do.
ChainReport evaluate(const Table& table, const Chain& base, PacketState& state, bool certain);

}  // namespace dsr::serverprep::firewall
