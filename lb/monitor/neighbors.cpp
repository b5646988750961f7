#include "lb/monitor/neighbors.hpp"

#include "common/wire/build.hpp"

namespace dsr::lb {
namespace {

constexpr std::chrono::seconds kRetry{1};
constexpr std::chrono::seconds kConfirmAfter{30};
constexpr unsigned kUnansweredUntilStale = 3;

ArpFrame make_request(const Interface& interface, std::uint8_t index, wire::Ipv4Address sender,
                      wire::Ipv4Address target) {
    ArpFrame frame;
    frame.interface = index;
    // Cannot fail: the buffer has exactly the size of the two headers.
    wire::FrameBuilder(frame.bytes)
        .ethernet(wire::MacAddress::broadcast(), interface.mac)
        .arp(wire::kArpRequest, interface.mac, sender, {}, target)
        .finish();
    return frame;
}

}  // namespace

std::string_view name(NeighborMonitor::State state) {
    switch (state) {
        case NeighborMonitor::State::unresolved:
            return "unresolved";
        case NeighborMonitor::State::reachable:
            return "reachable";
        case NeighborMonitor::State::probing:
            return "probing";
        case NeighborMonitor::State::stale:
            return "stale";
        case NeighborMonitor::State::fixed:
            return "static";
    }
    return "unknown";
}

void NeighborMonitor::want(wire::Ipv4Address address, std::uint8_t interface, std::optional<wire::MacAddress> fixed) {
    auto [position, added] = neighbors_.try_emplace(address);
    Neighbor& neighbor = position->second;
    neighbor.interface = interface;
    if (fixed) {
        neighbor.mac = fixed;
        neighbor.state = State::fixed;
    } else if (neighbor.state == State::fixed) {
        neighbor = Neighbor{};
        neighbor.interface = interface;
    }
}

void NeighborMonitor::keep_only(const std::set<wire::Ipv4Address>& wanted) {
    std::erase_if(neighbors_, [&](const auto& entry) { return !wanted.contains(entry.first); });
}

bool NeighborMonitor::learn(const ArpMessage& message, Time now) {
    const auto position = neighbors_.find(message.arp.sender_address);
    if (position == neighbors_.end()) return false;
    Neighbor& neighbor = position->second;
    const wire::MacAddress& mac = message.arp.sender_mac;
    if (neighbor.state == State::fixed || neighbor.interface != message.interface || mac.is_group() || mac.is_zero())
        return false;
    neighbor.state = State::reachable;
    neighbor.unanswered = 0;
    neighbor.ask_at = now + kConfirmAfter;
    if (neighbor.mac == mac) return false;
    neighbor.mac = mac;
    return true;
}

std::vector<ArpFrame> NeighborMonitor::requests(const std::vector<Interface>& interfaces, Time now) {
    std::vector<ArpFrame> due;
    for (auto& [address, neighbor] : neighbors_) {
        if (neighbor.state == State::fixed || neighbor.ask_at > now) continue;
        if (neighbor.state == State::reachable) neighbor.state = State::probing;
        if (neighbor.state == State::probing && neighbor.unanswered >= kUnansweredUntilStale)
            neighbor.state = State::stale;
        ++neighbor.unanswered;
        neighbor.ask_at = now + kRetry;
        const Interface& interface = interfaces[neighbor.interface];
        due.push_back(make_request(interface, neighbor.interface, interface.address.address, address));
    }
    return due;
}

NeighborMacs NeighborMonitor::macs() const {
    NeighborMacs macs;
    for (const auto& [address, neighbor] : neighbors_)
        if (neighbor.mac) macs.emplace(address, *neighbor.mac);
    return macs;
}

bool NeighborMonitor::any_unresolved() const {
    for (const auto& [address, neighbor] : neighbors_)
        if (!neighbor.mac) return true;
    return false;
}

ArpFrame announcement(const Interface& interface, std::uint8_t index, wire::Ipv4Address vip) {
    return make_request(interface, index, vip, vip);
}

}  // namespace dsr::lb
