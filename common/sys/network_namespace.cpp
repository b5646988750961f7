#include "common/sys/network_namespace.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sys/unique_fd.hpp"

namespace dsr::sys {
namespace {

bool is_number(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

// The file of the namespace.
Result<std::string> locate(const std::string& name_or_pid) {
    if (name_or_pid.empty() || name_or_pid == "." || name_or_pid == ".." || name_or_pid.find('/') != std::string::npos)
        return fail(fmt::format("'{}' is neither the name of a network namespace nor a PID", name_or_pid));
    std::string named = fmt::format("/run/netns/{}", name_or_pid);
    const bool is_name = exists(named);
    if (!is_number(name_or_pid)) {
        if (!is_name) return fail(fmt::format("there is no network namespace '{}' (in /run/netns)", name_or_pid));
        return named;
    }
    const bool is_process = exists(fmt::format("/proc/{}", name_or_pid));
    if (is_name && is_process)
        return fail(fmt::format("'{}' is both the name of a network namespace and a PID", name_or_pid));
    if (is_name) return named;
    if (!is_process)
        return fail(
            fmt::format("there is no process {0}, and no network namespace '{0}' (in /run/netns)", name_or_pid));
    return fmt::format("/proc/{}/ns/net", name_or_pid);
}

}  // namespace

Result<void> enter_network_namespace(const std::string& name_or_pid) {
    const auto path = locate(name_or_pid);
    if (!path) return std::unexpected(path.error());
    const auto refused = [&] {
        if (errno == EINVAL) return fail(fmt::format("'{}' is not a network namespace", *path));
        return fail(fmt::format("cannot enter network namespace '{}': {}", *path, ::strerrordesc_np(errno)));
    };
    const UniqueFd ns(::open(path->c_str(), O_RDONLY | O_CLOEXEC));
    if (!ns.valid() || ::setns(ns.get(), CLONE_NEWNET) != 0) return refused();
    return {};
}

std::optional<bool> in_network_namespace_of_init() {
    struct stat init{};
    struct stat self{};
    if (::stat("/proc/1/ns/net", &init) != 0 || ::stat("/proc/self/ns/net", &self) != 0) return std::nullopt;
    return init.st_dev == self.st_dev && init.st_ino == self.st_ino;
}

}  // namespace dsr::sys
