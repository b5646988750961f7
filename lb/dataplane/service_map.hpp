// (VIP, protocol, port) -> virtual service, and which addresses are VIPs. Built once, then read only.
#pragma once

#include <cstdint>
#include <vector>

#include "common/wire/address.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

struct ServicePorts {
    std::uint16_t first = 0;  // inclusive
    std::uint16_t last = 0;
    ServiceId service = kNoId;
};

// Open addressing over the VIPs: one probe for nearly every packet, then a binary search over the VIP's port ranges.
class ServiceMap {
public:
    ServiceMap() : slots_(1) {}

    // Ranges of one VIP and protocol must not overlap.
    void add(wire::Ipv4Address vip, std::uint8_t protocol, ServicePorts ports);

    [[nodiscard]] bool is_vip(wire::Ipv4Address address) const {
        return !address.is_unspecified() && find_slot(address).address == address.host();
    }
    // kNoId when there is none; only TCP and UDP have services.
    [[nodiscard]] ServiceId find(wire::Ipv4Address vip, std::uint8_t protocol, std::uint16_t port) const;

private:
    struct Slot {
        std::uint32_t address = 0;  // host order; 0.0.0.0 is never a VIP
        std::vector<ServicePorts> tcp;
        std::vector<ServicePorts> udp;
    };
    [[nodiscard]] const Slot& find_slot(wire::Ipv4Address address) const;
    void grow();

    std::vector<Slot> slots_;  // a power of two, at most half full
    std::size_t used_ = 0;
};

}  // namespace dsr::lb
