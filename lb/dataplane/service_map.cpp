#include "lb/dataplane/service_map.hpp"

#include <algorithm>
#include <utility>

namespace dsr::lb {
namespace {

std::size_t slot_index(std::uint32_t address, std::size_t slot_count) {
    return static_cast<std::size_t>((std::uint64_t{address} * 0x9e3779b97f4a7c15ULL) >> 32U) & (slot_count - 1);
}

}  // namespace

const ServiceMap::Slot& ServiceMap::find_slot(wire::Ipv4Address address) const {
    std::size_t index = slot_index(address.host(), slots_.size());
    while (slots_[index].address != 0 && slots_[index].address != address.host())
        index = (index + 1) & (slots_.size() - 1);
    return slots_[index];
}

void ServiceMap::grow() {
    const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
    for (const Slot& slot : old)
        if (slot.address != 0) const_cast<Slot&>(find_slot(wire::Ipv4Address::from_host(slot.address))) = slot;
}

void ServiceMap::add(wire::Ipv4Address vip, std::uint8_t protocol, ServicePorts ports) {
    if ((used_ + 1) * 2 > slots_.size()) grow();
    auto& slot = const_cast<Slot&>(find_slot(vip));
    if (slot.address == 0) {
        slot.address = vip.host();
        ++used_;
    }
    auto& ranges = protocol == wire::kProtocolTcp ? slot.tcp : slot.udp;
    ranges.insert(std::ranges::upper_bound(ranges, ports.first, {}, &ServicePorts::first), ports);
}

ServiceId ServiceMap::find(wire::Ipv4Address vip, std::uint8_t protocol, std::uint16_t port) const {
    if (protocol != wire::kProtocolTcp && protocol != wire::kProtocolUdp) return kNoId;
    const Slot& slot = find_slot(vip);
    const auto& ranges = protocol == wire::kProtocolTcp ? slot.tcp : slot.udp;
    // The last range that starts at or before the port.
    auto range = std::ranges::upper_bound(ranges, port, {}, &ServicePorts::first);
    if (slot.address == 0 || range == ranges.begin()) return kNoId;
    --range;
    return port <= range->last ? range->service : kNoId;
}

}  // namespace dsr::lb
