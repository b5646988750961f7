// A connection to the kernel's routing netlink family (rtnetlink(7)): what every other file here asks through.
// Knows nothing of links, addresses or routes. Of the network namespace it was opened in, for ever. Not thread-safe.
#pragma once

#include <memory>

#include "common/sys/error.hpp"

struct nl_sock;

namespace dsr::netlink {

class Socket {
public:
    static Result<Socket> open();

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
