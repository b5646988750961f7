#include "lb/control/listen_socket.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/wire/address.hpp"

namespace dsr::lb {
namespace {

constexpr int kBacklog = 64;

Error socket_error(const std::string& what, const std::string& where) {
    return {what + " '" + where + "': " + std::strerror(errno)};
}

// Something accepts connections there.
bool answers(const sockaddr_un& address) {
    const sys::UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!probe.valid()) return false;
    // EAGAIN: somebody listens, and is too busy or stuck to accept.
    return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN;
}

// Makes room for the socket, but only where a dead one lies.
Result<void> clear_path(const std::string& path, const sockaddr_un& address) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return {};
    if (!S_ISSOCK(status.st_mode))
        return fail("control socket '" + path + "': a file that is no socket is in its place");
    if (answers(address)) return fail("control socket '" + path + "' is in use: another lb is running");
    if (::unlink(path.c_str()) != 0) return std::unexpected(socket_error("cannot replace the control socket", path));
    return {};
}

}  // namespace

Result<sys::UniqueFd> listen_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return fail("control socket '" + path + "': the path is too long");
    path.copy(address.sun_path, path.size());

    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    if (error) return fail("cannot make the directory of the control socket '" + path + "': " + error.message());
    // Two starting at once must not both find the path clear.
    const std::string directory = std::filesystem::absolute(path).parent_path();
    const sys::UniqueFd lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock.valid()) return std::unexpected(socket_error("cannot open the control socket's directory", directory));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
        return fail("control socket '" + path + "': another lb is starting, or its directory is locked");
    if (const auto cleared = clear_path(path, address); !cleared) return std::unexpected(cleared.error());

    sys::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const mode_t before = ::umask(0117);  // 0660 from the first moment
    const bool bound =
        listener.valid() && ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::umask(before);
    if (!bound && errno == EACCES)
        return fail(
            "cannot make the control socket '" + path +
            "': Permission denied; lb needs root, or CAP_NET_RAW, CAP_NET_ADMIN and a socket path it may write");
    if (!bound || ::listen(listener.get(), kBacklog) != 0)
        return std::unexpected(socket_error("cannot listen on the control socket", path));
    if (const group* dsr = ::getgrnam("dsr"); dsr != nullptr)
        if (::chown(path.c_str(), static_cast<uid_t>(-1), dsr->gr_gid) != 0)
            return std::unexpected(socket_error("cannot give the control socket to group dsr:", path));
    return listener;
}

Result<sys::UniqueFd> listen_tcp(const std::string& text, bool may_be_absent) {
    const auto colon = text.rfind(':');
    const auto host = wire::Ipv4Address::parse(std::string_view(text).substr(0, colon));
    std::uint16_t port = 0;
    const char* end = text.data() + text.size();
    if (colon == std::string::npos || !host || std::from_chars(text.data() + colon + 1, end, port).ptr != end)
        return fail("'" + text + "' is not ADDRESS:PORT");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = host->network().raw();

    sys::UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    if (may_be_absent) (void)::setsockopt(listener.get(), SOL_IP, IP_FREEBIND, &on, sizeof on);
    if (!listener.valid() || ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener.get(), kBacklog) != 0)
        return std::unexpected(socket_error("cannot listen for HTTP on", text));
    return listener;
}

}  // namespace dsr::lb
