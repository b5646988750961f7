// Internal to this directory: tunnels as netlink messages, apart from a kernel, which may have no tunnels.
#pragma once

#include <optional>

#include "common/sys/netlink/message.hpp"
#include "common/sys/netlink/tunnel.hpp"

namespace dsr::netlink {

Message message_to_add(const Tunnel& tunnel);
// Nothing when the message is about something else. Requests and the kernel's answers have the same form.
std::optional<Tunnel> read_tunnel(nlmsghdr* message);

}  // namespace dsr::netlink
