#include "serverprep/small_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sys/unique_fd.hpp"

namespace dsr::serverprep {
bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t size = ::write(fd, text.data(), text.size());
        if (size < 0 && errno != EINTR) return false;
        if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
}

Result<std::optional<std::string>> read_file_if_there(const std::string& path) {
    std::ifstream in(path);
    if (!in && errno == ENOENT) return std::nullopt;
    if (!in) return fail(fmt::format("cannot read '{}': {}", path, std::strerror(errno)));
    return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

std::string read_text(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Result<void> replace_file(const std::string& path, const std::string& text, Durable durable) {
    const std::string draft = path + ".new";
    const sys::UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    // The mode whatever the umask is.
    const bool written = fd.valid() && ::fchmod(fd.get(), 0644) == 0 && write_all(fd.get(), text) &&
                         (durable == Durable::no || ::fsync(fd.get()) == 0) &&
                         ::rename(draft.c_str(), path.c_str()) == 0;
    if (!written) return fail(fmt::format("cannot write '{}': {}", path, std::strerror(errno)));
    return {};
}

}  // namespace dsr::serverprep
