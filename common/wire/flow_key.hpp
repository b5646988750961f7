// What makes two packets one flow.
#pragma once

#include "common/wire/address.hpp"
#include "common/wire/headers.hpp"

namespace dsr::wire {

// The 5-tuple; ports in host order.
struct FlowKey {
    Ipv4Address source;
    Ipv4Address destination;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    std::uint8_t protocol = 0;

    // The same conversation seen from the other end.
    [[nodiscard]] constexpr FlowKey reversed() const {
        return {destination, source, destination_port, source_port, protocol};
    }
    // Fields that are neighbors in a header, as one number.
    [[nodiscard]] constexpr std::uint64_t addresses() const {
        return std::uint64_t{source.host()} << 32U | destination.host();
    }
    [[nodiscard]] constexpr std::uint32_t ports() const { return std::uint32_t{source_port} << 16U | destination_port; }
    friend constexpr auto operator<=>(const FlowKey&, const FlowKey&) = default;
};

}  // namespace dsr::wire
