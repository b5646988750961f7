// Whether this kernel can make ipip tunnels, told from files: asking the kernel itself would load the module and with
// that make tunl0. Knows nothing of the tunnels there are.
//
// It can still be refused: where modprobe's configuration blacklists the module, and in a container.
#pragma once

#include <filesystem>
#include <string_view>

namespace dsr::serverprep {

// The module is loaded, built in, or there to be loaded. A link of kind ipip that exists is proof as well, and the only
// one for a kernel that has it built in but no directory of its modules.
bool kernel_has_ipip();

// The same of a system whose files are below `root` and whose kernel is `release` (uname -r).
bool kernel_has_ipip(const std::filesystem::path& root, std::string_view release);

// Whether modules.dep or modules.builtin names the module: the last component of the path that begins a line, before
// '.ko' and whatever it is compressed with.
bool names_module(std::string_view file, std::string_view module);

}  // namespace dsr::serverprep
