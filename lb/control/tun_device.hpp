// TUN and TAP devices that live as long as their descriptor.
#pragma once

#include <cstdint>
#include <string>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/sys/unique_fd.hpp"
#include "common/wire/address.hpp"

namespace dsr::lb {

struct TunDevice {
    sys::UniqueFd descriptor;  // does not block
    int index = 0;             // the kernel's, of the link
};

enum class TunKind : std::uint8_t {
    tun,  // IP packets
    tap,  // Ethernet frames
};

// Needs CAP_NET_ADMIN. Errors: the name is taken, no TUN support.
Result<TunDevice> create_tun_device(netlink::Socket& socket, const std::string& name, TunKind kind);

Result<void> set_mtu(const std::string& name, std::uint32_t mtu);
Result<void> set_mac(const std::string& name, const wire::MacAddress& mac);

}  // namespace dsr::lb
