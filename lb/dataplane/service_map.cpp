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
