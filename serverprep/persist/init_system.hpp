// Which init system a host has, and its systemctl. Knows nothing of our files.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/persist/persistence.hpp"

namespace dsr::serverprep::persist {

// An error says that there is neither, and what to do instead.
Result<InitSystem> detect(const std::string& root = "/");

// Fails with what systemctl complains of, or when it takes more than 30 s.
using Systemctl = std::function<Result<void>(const std::vector<std::string>& arguments)>;

// Of the running system; does nothing where systemd does not run.
Systemctl systemctl();

}  // namespace dsr::serverprep::persist
