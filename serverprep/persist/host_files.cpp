#include "serverprep/persist/host_files.hpp"

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sys/unique_fd.hpp"
#include "serverprep/small_file.hpp"

namespace dsr::serverprep::persist {
namespace {

constexpr mode_t kPermissions = 07777;

std::unexpected<Error> failed(std::string_view deed, const std::string& path, int error = errno) {
    return fail(fmt::format("cannot {} '{}': {}", deed, path, std::strerror(error)));
}

// None of systemd, sysctl.d and run-parts takes a name with this end for one of theirs.
std::string draft_of(const std::string& path) {
    return path + ".serverprep-new";
}

std::string directory_of(const std::string& path) {
    return std::filesystem::path(path).parent_path();
}

Result<void> sync_directory(const std::string& path) {
    const sys::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid() || ::fsync(fd.get()) != 0) return failed("make durable", path);
    return {};
}

Result<void> write_draft(const std::string& draft, const PersistentFile& file) {
    if (file.is_link) {
        if (::symlink(file.content.c_str(), draft.c_str()) != 0) return failed("make the link", draft);
        return {};
    }
    const sys::UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file.mode));
    // The mode again: at creation, the caller's umask takes part of it away.
    if (!fd.valid() || ::fchmod(fd.get(), file.mode) != 0 || !write_all(fd.get(), file.content) ||
        ::fsync(fd.get()) != 0)
        return failed("write", draft);
    return {};
}

Result<std::optional<std::string>> read_link(const std::string& path) {
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(path.c_str(), target.data(), target.size());
    if (size < 0) return failed("read the link", path);
    return std::string(target.data(), static_cast<std::size_t>(size));
}

}  // namespace

std::string below(const std::string& root, const std::string& path) {
    return root == "/" ? path : root + path;
}

Result<std::optional<Standing>> look_at(const std::string& root, const std::string& path) {
    const std::string where = below(root, path);
    struct stat info{};
    if (::lstat(where.c_str(), &info) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return std::optional<Standing>{};
        return failed("look at", where);
    }
    const bool is_link = S_ISLNK(info.st_mode);
    if (!is_link && !S_ISREG(info.st_mode)) return fail(fmt::format("'{}' is neither a file nor a link", where));
    auto content = is_link ? read_link(where) : read_file_if_there(where);
    if (!content) return std::unexpected(content.error());
    if (!*content) return std::optional<Standing>{};
    return Standing{std::move(**content), is_link ? mode_t{0} : info.st_mode & kPermissions, is_link};
}

Result<void> put(const std::string& root, const PersistentFile& file) {
    const std::string path = below(root, file.path);
    const std::string draft = draft_of(path);
    std::error_code error;
    std::filesystem::create_directories(directory_of(path), error);
    if (error) return failed("make the directory", directory_of(path), error.value());
    if (::unlink(draft.c_str()) != 0 && errno != ENOENT) return failed("remove", draft);
    if (auto done = write_draft(draft, file); !done) {
        ::unlink(draft.c_str());
        return done;
    }
    if (::rename(draft.c_str(), path.c_str()) != 0) {
        const int reason = errno;
        ::unlink(draft.c_str());
        return failed("replace", path, reason);
    }
    return sync_directory(directory_of(path));
}

Result<void> take_away(const std::string& root, const std::string& path) {
    const std::string where = below(root, path);
    bool gone = false;
    for (const std::string& each : {where, draft_of(where)}) {
        if (::unlink(each.c_str()) == 0)
            gone = true;
        else if (errno != ENOENT && errno != ENOTDIR)
            return failed("remove", each);
    }
    if (!gone) return {};
    return sync_directory(directory_of(where));
}

}  // namespace dsr::serverprep::persist
