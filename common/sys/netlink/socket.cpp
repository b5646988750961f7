#include "common/sys/netlink/socket.hpp"

#include <cerrno>

#include <fmt/format.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "common/sys/unique_fd.hpp"

namespace dsr::netlink {
namespace {

int number(Family family) {
    switch (family) {
        case Family::route:
            return NETLINK_ROUTE;
        case Family::sock_diag:
            return NETLINK_SOCK_DIAG;
        case Family::netfilter:
            return NETLINK_NETFILTER;
    }
    return -1;
}

}  // namespace

bool kernel_has(Family family) {
    const sys::UniqueFd probe(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, number(family)));
    return probe.valid() || errno != EPROTONOSUPPORT;
}

void Socket::Close::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

Result<Socket> Socket::open(Family family) {
    Socket opened(nl_socket_alloc());
    if (!opened.handle_) return fail("cannot open a netlink socket: out of memory");
    if (int error = nl_connect(opened.handle(), number(family)); error < 0)
        return fail(fmt::format("cannot open a netlink socket: {}", nl_geterror(error)));
    // Best effort, each: without EXT_ACK errors are shorter, without CAP_ACK longer on the wire, and without strict
    // checking the kernel does not filter dumps, which is why every reader here filters as well.
    const int on = 1;
    const int fd = nl_socket_get_fd(opened.handle());
    for (int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK})
        (void)::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
    return opened;
}

}  // namespace dsr::netlink
