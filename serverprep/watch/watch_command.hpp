// serverprep --watch: the guard with this host and the command line behind it.
#pragma once

#include <expected>
#include <functional>

#include "serverprep/kernel/kernel.hpp"
#include "serverprep/options.hpp"

namespace dsr::serverprep {

// Reads the command line, and with it the configuration file, once more.
using Reread = std::function<std::expected<Options, Leave>()>;

// Until SIGTERM or SIGINT. Returns the program's exit code.
int watch(const Options& options, Kernel& kernel, const Reread& reread);

}  // namespace dsr::serverprep
