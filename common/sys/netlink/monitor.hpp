// Notices that the network of this host changed, not what changed: who is told looks for himself. Of the network
// namespace it was opened in.
//
// Covers links, IPv4 addresses, routes and policy rules, traffic control, and those IPv4 settings that the kernel
// announces: forwarding, rp_filter, proxy_arp, of a link or of 'all' and 'default'. It announces no others (arp_ignore,
// arp_announce, send_redirects, accept_redirects, …) when they are written below /proc/sys, nor a change of packet
// filter rules: those are found by looking from time to time only.
#pragma once

#include <utility>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"

namespace dsr::netlink {

class Monitor {
public:
    // Needs no privilege. What changed before is not noticed: open first, then look.
    static Result<Monitor> open();

    [[nodiscard]] int fd() const;  // readable when there may be something to drain

    // Reads all that is there without waiting. True if anything came, or so much that the kernel dropped some of it.
    // Changes made by this process count as well.
    Result<bool> drain();

private:
    explicit Monitor(Socket socket) : socket_(std::move(socket)) {}
    Socket socket_;
};

}  // namespace dsr::netlink
