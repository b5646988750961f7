#include "serverprep/persist/init_system.hpp"

#include <algorithm>
#include <chrono>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include "serverprep/persist/host_files.hpp"
#include "serverprep/run_program.hpp"

namespace dsr::serverprep::persist {
namespace {

constexpr std::chrono::seconds kLimit{30};
constexpr std::size_t kMostOutput = 1U << 20U;

bool exists(const std::string& path) {
    struct stat info{};
    return ::lstat(path.c_str(), &info) == 0;
}

// sd_booted(3): the directory is there when, and only when, systemd is the init system.
bool systemd_runs(const std::string& root) {
    return exists(below(root, "/run/systemd/system"));
}

// /etc/network/if-up.d alone says little: packages such as ethtool put a hook there on any host.
bool has_ifupdown(const std::string& root) {
    return exists(below(root, "/etc/network/if-up.d")) &&
           (exists(below(root, "/sbin/ifup")) || exists(below(root, "/usr/sbin/ifup")));
}

std::string one_line(std::string text) {
    while (text.ends_with('\n'))
        text.pop_back();
    std::ranges::replace(text, '\n', ' ');
    return text;
}

Result<void> succeed(const std::vector<std::string>& command) {
    const auto output = run_program(command, kLimit, kMostOutput);
    if (!output) return std::unexpected(output.error());
    if (output->status == 0) return {};
    return fail(fmt::format("'{}' failed: {}", fmt::join(command, " "),
                            output->err.empty() ? fmt::format("exit {}", output->status) : one_line(output->err)));
}

}  // namespace

Result<InitSystem> detect(const std::string& root) {
    if (systemd_runs(root)) return InitSystem::systemd;
    if (has_ifupdown(root)) return InitSystem::ifupdown;
    return fail(
        "neither systemd nor ifupdown runs this host, so nothing would run serverprep after a reboot: have its "
        "init system run 'serverprep --restore' once the network is up");
}

Systemctl systemctl() {
    if (!systemd_runs("/")) return [](const std::vector<std::string>&) { return Result<void>{}; };
    return [](const std::vector<std::string>& arguments) {
        std::vector<std::string> command{"/bin/systemctl"};
        command.insert(command.end(), arguments.begin(), arguments.end());
        return succeed(command);
    };
}

}  // namespace dsr::serverprep::persist
