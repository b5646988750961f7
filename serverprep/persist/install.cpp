#include "serverprep/persist/install.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "serverprep/persist/host_files.hpp"

namespace dsr::serverprep::persist {
namespace {

std::string unit_name(const std::string& path) {
    return std::filesystem::path(path).filename();
}

bool is_of_systemd(const std::string& path) {
    return path.starts_with("/etc/systemd/");
}

bool holds(const std::vector<PersistentFile>& files, const std::string& path) {
    return std::ranges::find(files, path, &PersistentFile::path) != files.end();
}

// systemd need not be told of the sysctl.d file.
bool concern_systemd(const std::vector<std::string>& paths) {
    return std::ranges::any_of(paths, is_of_systemd);
}

Result<void> reload(const Systemctl& systemctl, const std::vector<std::string>& changed) {
    if (!concern_systemd(changed)) return {};
    return systemctl({"daemon-reload"});
}

// Those that differ; fails when one of them is not ours to replace.
Result<std::vector<PersistentFile>> to_write(const std::vector<PersistentFile>& files, const std::string& root) {
    std::vector<PersistentFile> differing;
    std::vector<std::string> foreign;
    for (const PersistentFile& file : files) {
        auto whose = ownership(file, root);
        if (!whose) return std::unexpected(whose.error());
        if (*whose == Ownership::foreign) foreign.push_back(fmt::format("'{}'", below(root, file.path)));
        if (*whose != Ownership::as_wanted) differing.push_back(file);
    }
    if (foreign.empty()) return differing;
    return fail(fmt::format("{} was not written by serverprep, or edited since: move it away and run again",
                            fmt::join(foreign, " and ")));
}

Result<void> remove_ours(const PersistentFile& file, const Systemctl& systemctl, const std::string& root) {
    // Of the link as well: a unit that was edited stays, but not running. Failing means not loaded: nothing to stop.
    // Not waited for: the guard may be waiting for the lock of the state that our caller has, and then finds nothing to
    // do.
    if (is_of_systemd(file.path)) [[maybe_unused]]
        const auto stopped = systemctl({"stop", "--no-block", unit_name(file.path)});
    return take_away(root, file.path);
}

struct Removal {
    std::vector<std::string> removed;
    std::vector<std::string> kept;
};

Result<Removal> remove_all_but(const std::vector<PersistentFile>& wanted, const Systemctl& systemctl,
                               const std::string& root) {
    Removal removal;
    for (const PersistentFile& place : all_places()) {
        if (holds(wanted, place.path)) continue;
        auto whose = ownership(place, root);
        if (!whose) return std::unexpected(whose.error());
        if (*whose == Ownership::foreign) {
            removal.kept.push_back(place.path);
            continue;
        }
        if (*whose == Ownership::absent) {
            // A draft may have been left alone.
            if (auto gone = take_away(root, place.path); !gone) return std::unexpected(gone.error());
            continue;
        }
        if (auto gone = remove_ours(place, systemctl, root); !gone) return std::unexpected(gone.error());
        removal.removed.push_back(place.path);
    }
    return removal;
}

}  // namespace

Result<Ownership> ownership(const PersistentFile& file, const std::string& root) {
    auto found = look_at(root, file.path);
    if (!found) return std::unexpected(found.error());
    const std::optional<Standing>& there = *found;
    if (!there) return Ownership::absent;
    const Standing& standing = *there;
    if (standing.is_link != file.is_link) return Ownership::foreign;
    if (file.is_link) return standing.content == file.content ? Ownership::as_wanted : Ownership::foreign;
    if (standing.content == file.content && standing.mode == file.mode) return Ownership::as_wanted;
    return is_sealed(standing.content) ? Ownership::ours : Ownership::foreign;
}

Result<Installed> install(const Persistence& what, InitSystem init, const Systemctl& systemctl,
                          const std::string& root) {
    auto files = render(what, init);
    if (!files) return std::unexpected(files.error());
    auto differing = to_write(*files, root);
    if (!differing) return std::unexpected(differing.error());
    Installed done;
    for (const PersistentFile& file : *differing) {
        if (auto written = put(root, file); !written) return std::unexpected(written.error());
        done.written.push_back(file.path);
    }
    // What somebody edited of a set that is not wanted any more stays: it is not in our way.
    auto stale = remove_all_but(*files, systemctl, root);
    if (!stale) return std::unexpected(stale.error());
    done.removed = std::move(stale->removed);
    std::vector<std::string> changed = done.written;
    changed.insert(changed.end(), done.removed.begin(), done.removed.end());
    if (auto told = reload(systemctl, changed); !told) return std::unexpected(told.error());
    return done;
}

Result<Uninstalled> uninstall(const Systemctl& systemctl, const std::string& root) {
    auto removal = remove_all_but({}, systemctl, root);
    if (!removal) return std::unexpected(removal.error());
    if (auto told = reload(systemctl, removal->removed); !told) return std::unexpected(told.error());
    return Uninstalled{std::move(removal->removed), std::move(removal->kept)};
}

}  // namespace dsr::serverprep::persist
