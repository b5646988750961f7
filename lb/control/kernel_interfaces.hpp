// The kernel's part in a device that DPDK has taken: a TAP with the same MAC address, address and MTU, for all traffic
// that is not lb's.
#pragma once

#include <vector>

#include "common/config/model.hpp"
#include "common/sys/netlink/socket.hpp"
#include "lb/control/interfaces.hpp"
#include "lb/control/tun_device.hpp"

namespace dsr::lb {

class KernelInterfaces {
public:
    // One for each configured interface that wants it, and a default route by its gateway that any other default route
    // precedes. Notes the kernel's index in `interfaces`.
    static Result<KernelInterfaces> create(netlink::Socket& socket, const config::LoadBalancer& configured,
                                           std::vector<HostInterface>& interfaces);

    // Of the interface's TAP; -1: none.
    [[nodiscard]] int descriptor(std::size_t interface) const { return devices_[interface].descriptor.get(); }

private:
    std::vector<TunDevice> devices_;
};

}  // namespace dsr::lb
