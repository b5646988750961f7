#include "lb/dataplane/service_map.hpp"

#include <algorithm>

namespace dsr::lb {

void Vip::add(std::uint8_t protocol, ServicePorts ports) {
    auto& ranges = protocol == wire::kProtocolTcp ? tcp : udp;
    ranges.insert(std::ranges::upper_bound(ranges, ports.first, {}, &ServicePorts::first), ports);
}

ServiceId Vip::search(const std::vector<ServicePorts>& ranges, std::uint16_t port) {
    const auto range = std::ranges::lower_bound(ranges, port, {}, &ServicePorts::last);
    return range != ranges.end() && port >= range->first ? range->service : kNoId;
}

void ServiceMap::grow() {
    slots_.assign(slots_.size() * 2, {});
    mask_ = slots_.size() - 1;
    for (std::size_t i = 0; i < vips_.size(); ++i)
        slots_[slot_of(vips_[i].address)] = {vips_[i].address.host(), static_cast<std::uint32_t>(i)};
}

void ServiceMap::add(wire::Ipv4Address vip, std::uint8_t protocol, ServicePorts ports) {
    at(vip).add(protocol, ports);
    if (ports.last - ports.first + 1U > kWidest) return;
    for (unsigned port = ports.first; port <= ports.last; ++port)
        add_port(port_key(vip.host(), protocol, static_cast<std::uint16_t>(port)), ports.service);
}

void ServiceMap::add_port(std::uint64_t key, ServiceId service) {
    if ((port_count_ + 1) * 4 > ports_.size()) {
        std::vector<PortSlot> before(ports_.size() * 2);
        before.swap(ports_);
        port_mask_ = ports_.size() - 1;
        for (const PortSlot& slot : before)
            if (slot.key != 0) ports_[port_slot(slot.key)] = slot;
        return add_port(key, service);
    }
    ports_[port_slot(key)] = {key, service};
    ++port_count_;
}

std::size_t ServiceMap::port_slot(std::uint64_t key) const {
    std::size_t index = first_port_slot(key);
    while (ports_[index].key != key && ports_[index].key != 0)
        index = (index + 1) & port_mask_;
    return index;
}

ServiceId ServiceMap::search(std::uint64_t key) const {
    if (const PortSlot& slot = ports_[port_slot(key)]; slot.key == key) return slot.service;
    const Vip* vip = find(wire::Ipv4Address::from_host(static_cast<std::uint32_t>(key >> 32U)));
    if (vip == nullptr) return kNoId;
    return vip->service(static_cast<std::uint8_t>(key >> 16U), static_cast<std::uint16_t>(key));
}

Vip& ServiceMap::at(wire::Ipv4Address vip) {
    if ((vips_.size() + 1) * 2 > slots_.size()) grow();
    Slot& slot = slots_[slot_of(vip)];
    if (slot.address == 0) {
        slot = {vip.host(), static_cast<std::uint32_t>(vips_.size())};
        vips_.emplace_back().address = vip;
    }
    return vips_[slot.vip];
}

}  // namespace dsr::lb
