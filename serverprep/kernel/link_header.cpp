#include "serverprep/kernel/link_header.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/sys/unique_fd.hpp"

namespace dsr::serverprep {

Result<std::uint32_t> link_header_size(const std::string& link) {
    ifreq request{};
    link.copy(request.ifr_name, IFNAMSIZ - 1);
    const sys::UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket.valid() || ::ioctl(socket.get(), SIOCGIFHWADDR, &request) != 0)
        return fail(fmt::format("cannot read the type of link '{}': {}", link, std::strerror(errno)));
    switch (request.ifr_hwaddr.sa_family) {
        case ARPHRD_ETHER:
        case ARPHRD_LOOPBACK:
            return ETH_HLEN;
        case ARPHRD_NONE:  // tun, WireGuard
        case ARPHRD_RAWIP:
        case ARPHRD_TUNNEL:
        case ARPHRD_PPP:
            return 0;
        default:
            return fail(fmt::format("link '{}' has type {} (ARPHRD_…), which filters do not know", link,
                                    request.ifr_hwaddr.sa_family));
    }
}

}  // namespace dsr::serverprep
