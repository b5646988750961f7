// Puts the files of a Persistence in their places, and takes them away. A file that somebody else wrote or edited is
// theirs: it is never overwritten nor deleted. Knows nothing of the settings themselves.
#pragma once

#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/persist/init_system.hpp"
#include "serverprep/persist/persistence.hpp"

namespace dsr::serverprep::persist {

struct Installed {
    std::vector<std::string> written;  // paths; empty: all was as it should be
    std::vector<std::string> removed;  // of an earlier, other Persistence
};

struct Uninstalled {
    std::vector<std::string> removed;
    std::vector<std::string> kept;  // edited since, or not ours; still act at the next boot
};

// Idempotent; what a killed run left half done, the next one completes. Fails before the first change, naming each,
// when one of the files is not ours. Starts nothing: the host is as it should be already.
Result<Installed> install(const Persistence& what, InitSystem init, const Systemctl& systemctl,
                          const std::string& root = "/");

// For any Persistence and any init system; has our services stop, without waiting.
Result<Uninstalled> uninstall(const Systemctl& systemctl, const std::string& root = "/");

enum class Ownership : std::uint8_t { absent, as_wanted, ours, foreign };

// Of what stands where `file` belongs; as_wanted when there is nothing to do.
Result<Ownership> ownership(const PersistentFile& file, const std::string& root);

}  // namespace dsr::serverprep::persist
