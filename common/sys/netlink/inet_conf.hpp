// The IPv4 settings of one interface (/proc/sys/net/ipv4/conf/IF/…). Those of 'all' cannot be reached this way:
// the kernel combines the two when it uses them, each setting in its own manner (ip-sysctl.rst).
#pragma once

#include <cstdint>
#include <string_view>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"

namespace dsr::netlink {

// The numbers of <linux/ip.h> (IPV4_DEVCONF_…), which are the kernel's ABI.
enum class InetConf : std::uint8_t {
    forwarding = 1,
    proxy_arp = 3,
    accept_redirects = 4,
    send_redirects = 6,
    rp_filter = 8,
    arp_announce = 18,
    arp_ignore = 19,
    accept_local = 23,
};

// As the file under /proc/sys is called.
std::string_view name(InetConf setting);

Result<std::uint32_t> inet_conf(Socket& socket, int link_index, InetConf setting);
// Needs CAP_NET_ADMIN. The kernel accepts any number: the caller is the one who validates.
Result<void> set_inet_conf(Socket& socket, int link_index, InetConf setting, std::uint32_t value);

}  // namespace dsr::netlink
