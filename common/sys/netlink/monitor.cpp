#include "common/sys/netlink/monitor.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

namespace dsr::netlink {

Result<Monitor> Monitor::open() {
    auto socket = Socket::open(Family::route);
    if (!socket) return std::unexpected(socket.error());
    for (const int group :
         {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV4_RULE, RTNLGRP_IPV4_NETCONF, RTNLGRP_TC}) {
        if (int error = nl_socket_add_membership(socket->handle(), group); error < 0)
            return fail(fmt::format("cannot listen for changes of the network: {}", nl_geterror(error)));
    }
    return Monitor(std::move(*socket));
}

int Monitor::fd() const {
    return nl_socket_get_fd(socket_.handle());
}

Result<bool> Monitor::drain() {
    bool came = false;
    while (true) {
        // That a message came is all that counts; what does not fit is dropped.
        std::array<std::uint8_t, 64> head{};
        sockaddr_nl sender{};
        socklen_t sender_size = sizeof sender;
        const ssize_t received = ::recvfrom(fd(), head.data(), head.size(), MSG_DONTWAIT,
                                            reinterpret_cast<sockaddr*>(&sender), &sender_size);
        if (received >= 0) {
            came = came || sender.nl_pid == 0;  // else from a process: any may send to this socket
        } else if (errno == ENOBUFS) {
            came = true;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return came;
        } else if (errno != EINTR) {
            return fail(fmt::format("cannot listen for changes of the network: {}", ::strerrordesc_np(errno)));
        }
    }
}

}  // namespace dsr::netlink
