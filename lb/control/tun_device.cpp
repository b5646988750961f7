#include "lb/control/tun_device.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/sys/netlink/link.hpp"

namespace dsr::lb {
namespace {

ifreq request_for(const std::string& name) {
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    return request;
}

Result<void> set(unsigned long what, ifreq request, const std::string& words) {
    const sys::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.valid() || ::ioctl(socket.get(), what, &request) != 0)
        return fail("cannot set the " + words + " of '" + request.ifr_name + "': " + std::strerror(errno));
    return {};
}

}  // namespace

Result<TunDevice> create_tun_device(netlink::Socket& socket, const std::string& name, TunKind kind) {
    TunDevice device{sys::UniqueFd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)), 0};
    if (!device.descriptor.valid()) return fail(std::string("cannot open /dev/net/tun: ") + std::strerror(errno));
    ifreq request = request_for(name);
    // Without EXCL, a device of that name that somebody has made persistent would be taken over.
    request.ifr_flags = static_cast<short>((kind == TunKind::tun ? IFF_TUN : IFF_TAP) | IFF_NO_PI | IFF_TUN_EXCL);
    if (::ioctl(device.descriptor.get(), TUNSETIFF, &request) != 0) {
        const std::string subject = "cannot create the device '" + name + "': ";
        if (errno == EBUSY || errno == EINVAL)
            return fail(subject + "there is one already; is another lb running on this host?");
        if (errno == EPERM) return fail(subject + "lb needs the capability CAP_NET_ADMIN (run it as root)");
        return fail(subject + std::strerror(errno));
    }
    const auto found = netlink::find_link(socket, name);
    if (!found) return std::unexpected(found.error());
    const std::optional<netlink::Link>& link = *found;
    if (!link) return fail("the device '" + name + "' vanished");
    device.index = link->index;
    return device;
}

Result<void> set_mtu(const std::string& name, std::uint32_t mtu) {
    ifreq request = request_for(name);
    request.ifr_mtu = static_cast<int>(mtu);
    return set(SIOCSIFMTU, request, "MTU");
}

Result<void> set_mac(const std::string& name, const wire::MacAddress& mac) {
    ifreq request = request_for(name);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request.ifr_hwaddr.sa_data, &mac, sizeof mac);
    return set(SIOCSIFHWADDR, request, "MAC address");
}

}  // namespace dsr::lb
