// A connection to one of the kernel's netlink families (netlink(7)): what every other file here asks through.
// Knows nothing of links, addresses or routes. Of the network namespace it was opened in, for ever. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>

#include "common/sys/error.hpp"

struct nl_sock;

namespace dsr::netlink {

enum class Family : std::uint8_t {
    route,      // rtnetlink(7): links, addresses, routes, neighbours
    sock_diag,  // sock_diag(7): the sockets of this host
    netfilter,  // nf_tables among others
};

// Whether the kernel has this family, its module loaded on demand: for those that are options of the kernel's
// configuration.
bool kernel_has(Family family);

class Socket {
public:
    static Result<Socket> open(Family family = Family::route);

    // For message.cpp only: the type belongs to libnl.
    [[nodiscard]] nl_sock* handle() const { return handle_.get(); }

private:
    struct Close {
        void operator()(nl_sock* socket) const;
    };
    explicit Socket(nl_sock* handle) : handle_(handle) {}
    std::unique_ptr<nl_sock, Close> handle_;
};

}  // namespace dsr::netlink
