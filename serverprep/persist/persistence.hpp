// What of a prepared host survives a reboot, and as which files. Pure: knows paths and contents, touches no disk; which
// settings and what state there are to be kept is the caller's business.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "common/sys/error.hpp"
#include "serverprep/setting.hpp"

namespace dsr::serverprep::persist {

// What runs at boot and can be told to run us.
enum class InitSystem : std::uint8_t { systemd, ifupdown };

inline constexpr const char* kSysctlFile = "/etc/sysctl.d/zz-serverprep.conf";
inline constexpr const char* kUnitFile = "/etc/systemd/system/serverprep.service";
inline constexpr const char* kUnitLink = "/etc/systemd/system/multi-user.target.wants/serverprep.service";
inline constexpr const char* kWatchUnitFile = "/etc/systemd/system/serverprep-watch.service";
inline constexpr const char* kWatchUnitLink = "/etc/systemd/system/multi-user.target.wants/serverprep-watch.service";
inline constexpr const char* kIfUpFile = "/etc/network/if-up.d/serverprep";

using SettingValue = std::pair<Setting, std::uint32_t>;

struct Persistence {
    std::vector<SettingValue> settings;
    std::string executable;            // absolute path of serverprep
    std::set<std::string> interfaces;  // beside lo, whose coming up has ifupdown run --restore
    bool watch = false;                // systemd only: serverprep --watch as a service, too
};

struct PersistentFile {
    std::string path;
    std::string content;  // of a link: where it points
    mode_t mode = 0644;
    bool is_link = false;

    friend bool operator==(const PersistentFile&, const PersistentFile&) = default;
};

// In the order in which they are to be written. Fails for an executable that will not be there after a reboot or that
// cannot be named in these files, and for an interface name that would be read as something else.
Result<std::vector<PersistentFile>> render(const Persistence& what, InitSystem init);

// Everything that any render() can ever have written, links first: what enables goes before what is enabled.
std::vector<PersistentFile> all_places();

// Text with the line that tells an edited file of ours from an untouched one; the mark goes below the first line.
std::string sealed(const std::string& text);
// Whether the text is, byte for byte, what some version of sealed() returned.
bool is_sealed(const std::string& text);

}  // namespace dsr::serverprep::persist
