// Which addresses are VIPs, and (protocol, port) -> virtual service of each. Built once, then read only.
#pragma once

#include <cstdint>
#include <vector>

#include "common/wire/address.hpp"
#include "common/wire/headers.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

struct ServicePorts {
    std::uint16_t first = 0;  // inclusive
    std::uint16_t last = 0;
    ServiceId service = kNoId;
};

// A virtual IP address and what is served there.
struct Vip {
    wire::Ipv4Address address;
    bool forward_echo = false;       // echo requests go to a server; false: lb answers them
    ServiceId with_servers = kNoId;  // its first service that has a server for new flows, if any
    std::vector<ServicePorts> tcp;   // sorted; ranges do not overlap
    std::vector<ServicePorts> udp;

    void add(std::uint8_t protocol, ServicePorts ports);
    // Null for protocols that have no services.
    [[nodiscard]] const std::vector<ServicePorts>* ports_of(std::uint8_t protocol) const {
        if (protocol == wire::kProtocolTcp) return &tcp;
        return protocol == wire::kProtocolUdp ? &udp : nullptr;
    }
    // kNoId when there is none.
    [[nodiscard]] ServiceId service(std::uint8_t protocol, std::uint16_t port) const {
        const auto* ranges = ports_of(protocol);
        if (ranges == nullptr) return kNoId;
        if (ranges->size() > kFew) return search(*ranges, port);
        for (const ServicePorts& range : *ranges)
            if (port <= range.last) return port >= range.first ? range.service : kNoId;
        return kNoId;
    }

private:
    // So many ranges are looked through faster one after the other.
    static constexpr std::size_t kFew = 4;
    static ServiceId search(const std::vector<ServicePorts>& ranges, std::uint16_t port);
};

// Two tables with open addressing: over the VIPs, and over single ports of theirs, where nearly every packet finds its
// service with one probe.
class ServiceMap {
public:
    ServiceMap() : slots_(1), ports_(1) {}

    // Adds ports of a service to a VIP; none of them has one yet.
    void add(wire::Ipv4Address vip, std::uint8_t protocol, ServicePorts ports);
    // find() and Vip::service() in one: kNoId when there is none.
    // `vip`: in host order.
    [[nodiscard]] ServiceId service(std::uint32_t vip, std::uint8_t protocol, std::uint16_t port) const {
        const std::uint64_t key = port_key(vip, protocol, port);
        const PortSlot& slot = ports_[first_port_slot(key)];
        return slot.key == key ? slot.service : search(key);
    }

    // The VIP's entry, made when it is new. Valid until the next call.
    Vip& at(wire::Ipv4Address vip);
    // Null when the address is no VIP.
    [[nodiscard]] const Vip* find(wire::Ipv4Address address) const {
        const Slot& slot = slots_[slot_of(address)];
        return slot.address != 0 ? &vips_[slot.vip] : nullptr;
    }

private:
    struct Slot {
        std::uint32_t address = 0;  // host order; 0.0.0.0 is never a VIP
        std::uint32_t vip = 0;      // index into vips_
    };
    // Where the address is, or where it would go.
    [[nodiscard]] std::size_t slot_of(wire::Ipv4Address address) const {
        std::size_t index =
            static_cast<std::size_t>((std::uint64_t{address.host()} * 0x9e3779b97f4a7c15ULL) >> 32U) & mask_;
        while (slots_[index].address != address.host() && slots_[index].address != 0)
            index = (index + 1) & mask_;
        return index;
    }
    void grow();

    struct PortSlot {
        std::uint64_t key = 0;
        ServiceId service = kNoId;
    };
    // Wider ranges are not worth their memory: they are looked up among the VIP's.
    static constexpr unsigned kWidest = 16;  // ports

    // Never 0: 0.0.0.0 is never a VIP.
    static std::uint64_t port_key(std::uint32_t vip, std::uint8_t protocol, std::uint16_t port) {
        return std::uint64_t{vip} << 32U | std::uint64_t{protocol} << 16U | port;
    }
    [[nodiscard]] std::size_t first_port_slot(std::uint64_t key) const {
        return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15ULL) >> 32U) & port_mask_;
    }
    // Where the key is, or where it would go.
    [[nodiscard]] std::size_t port_slot(std::uint64_t key) const;
    // service() of what is not in its first slot: elsewhere, in a wide range, or nowhere.
    [[nodiscard]] ServiceId search(std::uint64_t key) const;
    void add_port(std::uint64_t key, ServiceId service);

    std::vector<Slot> slots_;  // a power of two, at most half full
    std::size_t mask_ = 0;     // their number - 1
    std::vector<Vip> vips_;
    std::vector<PortSlot> ports_;  // a power of two, at most a quarter full
    std::size_t port_mask_ = 0;
    std::size_t port_count_ = 0;
};

}  // namespace dsr::lb
