// The kernel of the network namespace this process runs in.
#pragma once

#include <memory>

#include "serverprep/kernel/kernel.hpp"

namespace dsr::serverprep {

Result<std::unique_ptr<Kernel>> open_linux_kernel();

// CAP_NET_ADMIN is what every write needs; reading needs nothing.
bool may_change_network();

}  // namespace dsr::serverprep
