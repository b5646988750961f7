#include "serverprep/state_store.hpp"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serverprep/small_file.hpp"

namespace dsr::serverprep {
namespace {

constexpr std::chrono::seconds kLockDeadline{10};
constexpr std::chrono::milliseconds kLockPoll{20};

std::string reason() {
    return std::strerror(errno);
}

// The cookie is never given twice in one boot, unlike the inode of /proc/self/ns/net; kernels before 5.14 have none.
Result<std::string> namespace_name() {
    const sys::UniqueFd probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (probe.valid() && ::getsockopt(probe.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0)
        return fmt::format("netns-{}", cookie);
    struct stat info{};
    if (::stat("/proc/self/ns/net", &info) != 0)
        return fail(fmt::format("cannot tell which network namespace this is: {}", reason()));
    return fmt::format("netns-inode-{}", info.st_ino);
}

Result<sys::UniqueFd> lock(const std::string& path) {
    sys::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd.valid()) return fail(fmt::format("cannot open '{}': {}", path, reason()));
    const auto deadline = std::chrono::steady_clock::now() + kLockDeadline;
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) return fail(fmt::format("cannot lock '{}': {}", path, reason()));
        if (std::chrono::steady_clock::now() >= deadline)
            return fail(fmt::format("another serverprep is at work: '{}' is still locked after {} s", path,
                                    kLockDeadline.count()));
        std::this_thread::sleep_for(kLockPoll);
    }
    return fd;
}

}  // namespace

Result<StateStore> StateStore::open(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return fail(fmt::format("cannot make the state directory '{}': {}", directory, error.message()));
    auto store = open_to_look(directory);
    if (!store) return store;
    auto held = lock(store->file_ + ".lock");
    if (!held) return std::unexpected(held.error());
    store->lock_ = std::move(*held);
    return store;
}

Result<StateStore> StateStore::open_to_look(const std::string& directory) {
    auto name = namespace_name();
    if (!name) return std::unexpected(name.error());
    std::string boot_id = read_text("/proc/sys/kernel/random/boot_id");
    if (boot_id.ends_with('\n')) boot_id.pop_back();
    return StateStore(fmt::format("{}/{}.json", directory, *name), std::move(boot_id));
}

Result<State> StateStore::load() const {
    const auto text = read_file_if_there(file_);
    if (!text) return std::unexpected(text.error());
    if (!*text) return State{};
    auto state = state_from_json(**text, boot_id_);
    if (!state) return fail(fmt::format("cannot read the state file '{}': {}", file_, state.error().message));
    return state;
}

Result<void> StateStore::save(const State& state) const {
    if (!state.empty()) return replace_file(file_, to_json(state, boot_id_));
    if (::unlink(file_.c_str()) != 0 && errno != ENOENT)
        return fail(fmt::format("cannot remove the state file '{}': {}", file_, reason()));
    return {};
}

}  // namespace dsr::serverprep
