#include "lb/state/next_hop.hpp"

namespace dsr::lb {

std::optional<std::uint8_t> interface_towards(const std::vector<Interface>& interfaces, wire::Ipv4Address address) {
    for (std::size_t i = 0; i < interfaces.size(); ++i)
        if (interfaces[i].address.contains(address)) return static_cast<std::uint8_t>(i);
    return std::nullopt;
}

std::optional<NextHop> next_hop(const std::vector<Interface>& interfaces,
                                const std::vector<std::optional<wire::Ipv4Address>>& gateways,
                                wire::Ipv4Address address) {
    if (const auto interface = interface_towards(interfaces, address)) return NextHop{*interface, address};
    for (std::size_t i = gateways.size(); i-- > 0;)
        if (const auto& gateway = gateways[i]) return NextHop{static_cast<std::uint8_t>(i), *gateway};
    return std::nullopt;
}

}  // namespace dsr::lb
