#include "serverprep/run_program.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sys/unique_fd.hpp"

namespace dsr::serverprep {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostErrors = 4096;

struct Pipe {
    sys::UniqueFd read, write;
};

std::optional<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
    return Pipe{sys::UniqueFd(ends[0]), sys::UniqueFd(ends[1])};
}

// Nothing of ours reaches the program: no descriptor, no signal mask, no environment.
Result<pid_t> spawn(const std::vector<std::string>& command, int out, int err) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    sigset_t none, all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    std::string locale = "LC_ALL=C", path = "PATH=/usr/sbin:/sbin:/usr/bin:/bin";
    std::array<char*, 3> environment = {locale.data(), path.data(), nullptr};
    pid_t pid = 0;
    const int error =
        ::posix_spawn(&pid, command[0].c_str(), &actions, &attributes, arguments.data(), environment.data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    if (error != 0) return fail(fmt::format("cannot run '{}': {}", command[0], std::strerror(error)));
    return pid;
}

int milliseconds_until(Clock::time_point end) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    return left <= 0 ? 0 : static_cast<int>(left) + 1;
}

// Appends what is there; false at the end of the stream. What exceeds `most` by less than a read is kept.
bool drain(int fd, std::string& text, std::size_t most) {
    std::array<char, 65536> part;
    const ssize_t size = ::read(fd, part.data(), part.size());
    if (size < 0) return errno == EINTR || errno == EAGAIN;
    if (text.size() <= most) text.append(part.data(), static_cast<std::size_t>(size));
    return size > 0;
}

// Until both streams end. The reason if that was not waited for.
std::optional<std::string> collect(Pipe& out, Pipe& err, ProgramOutput& output, Clock::time_point end,
                                   std::size_t most) {
    while (out.read.valid() || err.read.valid()) {
        std::array<pollfd, 2> streams = {{{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}}};
        const int ready = ::poll(streams.data(), streams.size(), milliseconds_until(end));
        if (ready < 0 && errno != EINTR) return std::strerror(errno);
        if (ready == 0 && Clock::now() >= end) return "it did not end in time";
        if (ready <= 0) continue;
        if (streams[0].revents != 0 && !drain(out.read.get(), output.out, most)) out.read.reset();
        if (streams[1].revents != 0 && !drain(err.read.get(), output.err, kMostErrors)) err.read.reset();
        if (output.out.size() > most) return fmt::format("it prints more than {} MB", most >> 20U);
    }
    return std::nullopt;
}

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// A program may close its output long before it ends.
bool ends_until(pid_t pid, Clock::time_point end) {
    const sys::UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process.valid()) return true;
    pollfd ended{process.get(), POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&ended, 1, milliseconds_until(end));
    } while (ready < 0 && errno == EINTR);
    return ready != 0;
}

}  // namespace

Result<ProgramOutput> run_program(const std::vector<std::string>& command, std::chrono::milliseconds limit,
                                  std::size_t most) {
    const auto end = Clock::now() + limit;
    auto out = make_pipe(), err = make_pipe();
    if (!out || !err) return fail(fmt::format("cannot run '{}': {}", command[0], std::strerror(errno)));
    const auto pid = spawn(command, out->write.get(), err->write.get());
    if (!pid) return std::unexpected(pid.error());
    out->write.reset();
    err->write.reset();
    ProgramOutput output;
    auto trouble = collect(*out, *err, output, end, most);
    if (!trouble && !ends_until(*pid, end)) trouble = "it did not end in time";
    if (trouble) ::kill(*pid, SIGKILL);
    output.status = wait_for(*pid);
    if (trouble) return fail(fmt::format("'{}' was stopped: {}", command[0], *trouble));
    return output;
}

std::string find_program(const std::string& name) {
    for (const char* directory : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"})
        if (const std::string path = directory + name; ::access(path.c_str(), X_OK) == 0) return path;
    return {};
}

}  // namespace dsr::serverprep
