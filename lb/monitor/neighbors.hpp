// Who is where on the link: resolves the addresses it is told to want by ARP (RFC 826) and keeps asking, so that a
// changed MAC address is noticed. A state machine on the caller's clock: it sends nothing itself.
//
//   unresolved --answer--> reachable --30 s--> probing --answer--> reachable
//                                              probing --3 unanswered--> stale (the last MAC address stays in use)
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "common/wire/address.hpp"
#include "lb/dataplane/worker.hpp"
#include "lb/state/build_table.hpp"

namespace dsr::lb {

class NeighborMonitor {
public:
    using Time = std::chrono::steady_clock::time_point;
    enum class State : std::uint8_t { unresolved, reachable, probing, stale, fixed };

    struct Neighbor {
        std::uint8_t interface = 0;
        State state = State::unresolved;
        std::optional<wire::MacAddress> mac;
        unsigned unanswered = 0;  // requests since the last answer
        Time ask_at{};
    };

    // Asks for the address from the next requests() on. A static MAC address is never asked for.
    void want(wire::Ipv4Address address, std::uint8_t interface, std::optional<wire::MacAddress> fixed = std::nullopt);

    // Forgets all others.
    void keep_only(const std::set<wire::Ipv4Address>& wanted);

    // Takes what an ARP message says about its sender. True: a MAC address became known or changed.
    bool learn(const ArpMessage& message, Time now);

    // The requests that are due: broadcast, from the interface's own address.
    std::vector<ArpFrame> requests(const std::vector<Interface>& interfaces, Time now);

    [[nodiscard]] NeighborMacs macs() const;
    [[nodiscard]] const std::map<wire::Ipv4Address, Neighbor>& neighbors() const { return neighbors_; }
    // Whether any wanted address has no MAC address yet.
    [[nodiscard]] bool any_unresolved() const;

private:
    std::map<wire::Ipv4Address, Neighbor> neighbors_;
};

std::string_view name(NeighborMonitor::State state);

// The VIP announced as ours: sets neighbors' caches and switches' tables (a gratuitous ARP request, RFC 5227 section
// 3).
ArpFrame announcement(const Interface& interface, std::uint8_t index, wire::Ipv4Address vip);

}  // namespace dsr::lb
