// Network namespaces (network_namespaces(7)): which one this process is in, and going into another.
#pragma once

#include <optional>
#include <string>

#include "common/sys/error.hpp"

namespace dsr::sys {

// Moves the calling thread into the namespace that 'ip netns' calls so (/run/netns), or into that of a process, by its
// number; a number that is both is refused. Needs CAP_SYS_ADMIN, here and in the user namespace that owns the other.
//
// Call it before there is any second thread or netlink socket. Afterwards new sockets and /proc/sys/net are those of
// that namespace; /proc/net too, which is the main thread's. /sys/class/net stays the old one's, and so does every
// socket that is open.
Result<void> enter_network_namespace(const std::string& name_or_pid);

// Whether this process is in the network namespace of PID 1; nothing when that may not be asked: it takes
// CAP_SYS_PTRACE and every capability PID 1 has, which in a sandbox even root may lack. Inside a container PID 1 is the
// container's.
std::optional<bool> in_network_namespace_of_init();

}  // namespace dsr::sys
