#include "lb/control/kernel_interfaces.hpp"

#include "common/sys/netlink/address.hpp"
#include "common/sys/netlink/link.hpp"
#include "common/sys/netlink/route.hpp"

namespace dsr::lb {
namespace {

// The kernel prefers lower ones.
constexpr std::uint32_t kLastResort = 4096;

Result<void> set_up(netlink::Socket& socket, const std::string& name, const TunDevice& device,
                    const HostInterface& host) {
    if (auto set = set_mac(name, host.interface.mac); !set) return set;
    if (auto set = set_mtu(name, host.interface.mtu); !set) return set;
    if (auto added =
            netlink::add_address(socket, {.link_index = device.index, .prefix = host.interface.address, .label = {}});
        !added)
        return added;
    if (auto up = netlink::set_link_up(socket, device.index, true); !up) return up;
    if (!host.gateway) return {};
    netlink::Route route;
    route.link_index = device.index;
    route.gateway = host.gateway;
    route.metric = kLastResort;
    return netlink::add_route(socket, route);
}

}  // namespace

Result<KernelInterfaces> KernelInterfaces::create(netlink::Socket& socket, const config::LoadBalancer& configured,
                                                  std::vector<HostInterface>& interfaces) {
    KernelInterfaces result;
    for (std::size_t i = 0; i < interfaces.size(); ++i) {
        result.devices_.emplace_back();
        const std::string& name = configured.interfaces[i].kernel_interface;
        if (name.empty()) continue;
        auto device = create_tun_device(socket, name, TunKind::tap);
        if (!device) return std::unexpected(device.error());
        if (const auto ready = set_up(socket, name, *device, interfaces[i]); !ready)
            return fail("kernel_interface '" + name + "': " + ready.error().message);
        interfaces[i].index = device->index;
        result.devices_.back() = *std::move(device);
    }
    return result;
}

}  // namespace dsr::lb
