#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <string_view>

#include <fmt/format.h>

#include "serverprep/persist/persistence.hpp"
#include "serverprep/persist/sysctl_file.hpp"
#include "serverprep/persist/templates.hpp"

namespace dsr::serverprep::persist {
namespace {

constexpr std::string_view kMark = "# Untouched since serverprep wrote it if this is the sum of the other lines: ";

// FNV-1a, 64 bits: against an editor, not against an attacker.
std::uint64_t sum(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3;
    }
    return hash;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
    return text;
}

// Characters that neither systemd nor a shell reads as anything else; simpler to be sure of than two ways to quote.
bool is_plain(std::string_view text, std::string_view also) {
    return !text.empty() && std::ranges::all_of(text, [also](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || also.contains(c);
    });
}

Result<void> check_executable(const std::string& path) {
    if (!path.starts_with('/')) return fail(fmt::format("the executable '{}' is not an absolute path", path));
    constexpr std::array<std::string_view, 4> volatile_places{"/tmp/", "/run/", "/dev/", "/proc/"};
    for (const std::string_view place : volatile_places)
        if (path.starts_with(place))
            return fail(
                fmt::format("the executable '{}' is below '{}', which is emptied at a reboot: install serverprep "
                            "and run the installed one",
                            path, place));
    if (!is_plain(path, "/._+-"))
        return fail(
            fmt::format("the executable '{}' has characters in its path that cannot be written into a unit", path));
    return {};
}

// Forms that sysctl.d reads otherwise: a glob, a path upwards, an end of line.
Result<void> check_interface(const std::string& name) {
    if (!is_plain(name, "._+-@:") || name == "." || name == "..")
        return fail(fmt::format("the interface name '{}' cannot be written into a sysctl.d file", name));
    return {};
}

Result<void> check(const Persistence& what) {
    if (auto good = check_executable(what.executable); !good) return good;
    for (const std::string& name : what.interfaces)
        if (auto good = check_interface(name); !good) return good;
    for (const auto& [setting, value] : what.settings)
        if (!setting.where.empty())
            if (auto good = check_interface(setting.where); !good) return good;
    return {};
}

std::string with_executable(const char* text, const Persistence& what) {
    return replaced(text, "@EXECUTABLE@", what.executable);
}

void add_systemd(std::vector<PersistentFile>& files, const Persistence& what) {
    files.push_back({kUnitFile, sealed(with_executable(kUnitTemplate, what))});
    files.push_back({kUnitLink, kUnitFile, 0777, true});
    if (!what.watch) return;
    files.push_back({kWatchUnitFile, sealed(with_executable(kWatchUnitTemplate, what))});
    files.push_back({kWatchUnitLink, kWatchUnitFile, 0777, true});
}

void add_ifupdown(std::vector<PersistentFile>& files, const Persistence& what) {
    std::string names = "lo";
    for (const std::string& name : what.interfaces)
        if (name != "lo") names += " | " + name;
    files.push_back({kIfUpFile, sealed(replaced(with_executable(kIfUpTemplate, what), "@INTERFACES@", names)), 0755});
}

}  // namespace

std::string sealed(const std::string& text) {
    const std::size_t end = text.find('\n');
    const std::size_t at = end == std::string::npos ? text.size() : end + 1;
    return fmt::format("{}{}{:016x}\n{}", text.substr(0, at), kMark, sum(text), text.substr(at));
}

bool is_sealed(const std::string& text) {
    const std::size_t at = text.find(kMark);
    if (at == std::string::npos) return false;
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) return false;
    return sealed(text.substr(0, at) + text.substr(end + 1)) == text;
}

Result<std::vector<PersistentFile>> render(const Persistence& what, InitSystem init) {
    if (auto good = check(what); !good) return std::unexpected(good.error());
    if (what.watch && init != InitSystem::systemd)
        return fail("'--watch' can only be made a service by systemd, which does not run this host");
    std::vector<PersistentFile> files;
    files.push_back({kSysctlFile, sealed(render_sysctl(what.settings))});
    if (init == InitSystem::systemd) add_systemd(files, what);
    if (init == InitSystem::ifupdown) add_ifupdown(files, what);
    return files;
}

std::vector<PersistentFile> all_places() {
    return {{kWatchUnitLink, kWatchUnitFile, 0777, true},
            {kUnitLink, kUnitFile, 0777, true},
            {kWatchUnitFile, ""},
            {kUnitFile, ""},
            {kIfUpFile, "", 0755},
            {kSysctlFile, ""}};
}

}  // namespace dsr::serverprep::persist
