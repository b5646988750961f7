// Keeps this host's kernel quiet about the VIPs, and announces them: a TUN device that nobody else owns, and one route
// 'VIP/32 dev dsr-vip scope link protocol 77' for each VIP. With it the kernel's own copy of a VIP packet ends silently
// in the TUN: no ICMP error, no forwarding loop, no ARP answer. The device is not persistent, so that route and
// announcement (BIRD: learn; FRR: redistribute kernel) die with the process, however it dies.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/wire/address.hpp"
#include "lb/control/tun_device.hpp"

namespace dsr::lb {

inline constexpr const char* kVipDevice = "dsr-vip";
inline constexpr std::uint8_t kVipRouteProtocol = 77;

class VipRoutes {
public:
    // Needs CAP_NET_ADMIN. Errors: another lb in this network namespace holds the device, no TUN support.
    static Result<std::unique_ptr<VipRoutes>> open(netlink::Socket& socket);

    // Makes the routes exactly these, whatever has become of them meanwhile: what counts is what the kernel has.
    Result<void> set(netlink::Socket& socket, const std::set<wire::Ipv4Address>& vips);

private:
    explicit VipRoutes(TunDevice device) : device_(std::move(device)) {}

    TunDevice device_;
};

// Nothing of this host may stand where the VIPs go: neither an address of its own, for its kernel would answer in lb's
// place, nor a route that lb's would replace.
Result<void> check_free(netlink::Socket& socket, const std::set<wire::Ipv4Address>& vips);

}  // namespace dsr::lb
