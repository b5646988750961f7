// Lines in other people's files that undo a setting of ours at boot. Pure: texts in, lines out; which files there are
// and in which order they are read is the caller's business.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "serverprep/persist/persistence.hpp"

namespace dsr::serverprep::persist {

struct TextFile {
    std::string path;
    std::string text;
};

struct Override {
    Setting setting;
    std::uint32_t wanted = 0;
    std::optional<std::string> value;  // as written there; nothing: the line keeps the setting from being made at all
    std::string path;
    int line = 0;
};

// `later`: the sysctl.d files that are read after ours, in that order. A key given in full beats a glob wherever they
// stand (sysctl.d(5)), so that no glob undoes a line of ours, but a later '-key' without a value does.
std::vector<Override> sysctl_overrides(const std::vector<SettingValue>& ours, const std::vector<TextFile>& later);

// systemd.network(5), in the order of their names: the first whose [Match] Name= fits a link has it. A file that
// matches by anything else is not judged.
std::vector<Override> networkd_overrides(const std::vector<SettingValue>& ours, const std::vector<TextFile>& files);

// interfaces(5): commands that write one of our settings, with sysctl or below /proc/sys.
std::vector<Override> ifupdown_overrides(const std::vector<SettingValue>& ours, const std::vector<TextFile>& files);

}  // namespace dsr::serverprep::persist
