#include "serverprep/persist/compare.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <span>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "serverprep/persist/host_files.hpp"
#include "serverprep/persist/install.hpp"
#include "serverprep/persist/overrides.hpp"
#include "serverprep/small_file.hpp"

namespace dsr::serverprep::persist {
namespace {

// Earlier ones hide files of the same name in later ones.
constexpr std::array kSysctlDirectories{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d",
                                        "/usr/lib/sysctl.d", "/lib/sysctl.d"};
constexpr std::array kNetworkDirectories{"/etc/systemd/network", "/run/systemd/network",
                                         "/usr/local/lib/systemd/network", "/usr/lib/systemd/network",
                                         "/lib/systemd/network"};
constexpr std::array kInterfacesDirectories{"/etc/network/interfaces.d"};

// By name, as systemd and procps read them.
std::vector<TextFile> files_of(std::span<const char* const> directories, std::string_view suffix,
                               const std::string& root) {
    std::map<std::string, std::string> path_of_name;
    for (const char* directory : directories) {
        std::error_code error;
        for (std::filesystem::directory_iterator each(below(root, directory), error), end; !error && each != end;
             each.increment(error))
            if (const std::string name = each->path().filename(); name.ends_with(suffix))
                path_of_name.emplace(name, fmt::format("{}/{}", directory, name));
    }
    std::vector<TextFile> files;
    for (const auto& [name, path] : path_of_name)
        files.push_back({path, read_text(below(root, path))});
    return files;
}

std::vector<TextFile> sysctl_files_after_ours(InitSystem init, const std::string& root) {
    std::vector<TextFile> files = files_of(kSysctlDirectories, ".conf", root);
    const std::string our_name = std::filesystem::path(kSysctlFile).filename();
    std::erase_if(
        files, [&](const TextFile& file) { return std::filesystem::path(file.path).filename().string() <= our_name; });
    // Without systemd it is 'sysctl --system' of procps that reads them, and /etc/sysctl.conf last of all.
    if (init != InitSystem::systemd) files.push_back({"/etc/sysctl.conf", read_text(below(root, "/etc/sysctl.conf"))});
    return files;
}

bool networkd_is_enabled(const std::string& root) {
    auto link = look_at(root, "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service");
    return link && *link;
}

std::vector<TextFile> interfaces_files(const std::string& root) {
    std::vector<TextFile> files = files_of(kInterfacesDirectories, "", root);
    files.push_back({"/etc/network/interfaces", read_text(below(root, "/etc/network/interfaces"))});
    return files;
}

Flaw flaw_of(const Override& other) {
    const std::string name = to_string(other.setting);
    if (!other.value)
        return {other.path, other.line,
                fmt::format("'{}' line {} keeps {} = {} from being set at boot", other.path, other.line, name,
                            other.wanted),
                true};
    return {other.path, other.line,
            fmt::format("'{}' line {} sets {} to {} at boot, after serverprep's file sets it to {}", other.path,
                        other.line, name, *other.value, other.wanted),
            true};
}

Result<std::vector<Flaw>> flaws_of_ours(const std::vector<PersistentFile>& files, const std::string& root) {
    std::vector<Flaw> flaws;
    for (const PersistentFile& file : files) {
        auto whose = ownership(file, root);
        if (!whose) return std::unexpected(whose.error());
        if (*whose == Ownership::absent && file.is_link)
            flaws.push_back(
                {file.path, 0,
                 fmt::format("the unit '{}' is not enabled: there is no link '{}'", file.content, file.path)});
        else if (*whose == Ownership::absent)
            flaws.push_back({file.path, 0, fmt::format("there is no file '{}'", file.path)});
        else if (*whose == Ownership::ours)
            flaws.push_back({file.path, 0,
                             fmt::format("the file '{}' is of an earlier --persist and says something else "
                                         "than what is set now",
                                         file.path)});
        else if (*whose == Ownership::foreign)
            flaws.push_back(
                {file.path, 0, fmt::format("'{}' was not written by serverprep, or edited since", file.path), true});
    }
    return flaws;
}

}  // namespace

Result<std::vector<Flaw>> compare(const Persistence& what, InitSystem init, const std::string& root) {
    auto files = render(what, init);
    if (!files) return std::unexpected(files.error());
    auto flaws = flaws_of_ours(*files, root);
    if (!flaws) return flaws;
    auto others = sysctl_overrides(what.settings, sysctl_files_after_ours(init, root));
    const auto also = [&others](const std::vector<Override>& more) {
        others.insert(others.end(), more.begin(), more.end());
    };
    if (networkd_is_enabled(root))
        also(networkd_overrides(what.settings, files_of(kNetworkDirectories, ".network", root)));
    if (const auto ifup = look_at(root, "/sbin/ifup"), usr_ifup = look_at(root, "/usr/sbin/ifup");
        (ifup && *ifup) || (usr_ifup && *usr_ifup))
        also(ifupdown_overrides(what.settings, interfaces_files(root)));
    std::ranges::transform(others, std::back_inserter(*flaws), flaw_of);
    return flaws;
}

}  // namespace dsr::serverprep::persist
