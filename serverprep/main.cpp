// serverprep: see session.hpp for what happens, serverprep.8 for how to use it.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "common/sys/network_namespace.hpp"
#include "serverprep/kernel/linux_kernel.hpp"
#include "serverprep/options.hpp"
#include "serverprep/report.hpp"
#include "serverprep/session.hpp"
#include "serverprep/watch/watch_command.hpp"

namespace {

using namespace dsr::serverprep;
using dsr::Result;

Result<std::unique_ptr<Kernel>> open_kernel(const Options& options) {
    const Action action = options.task.action;
    if ((action == Action::apply || action == Action::fix) && !may_change_network())
        return dsr::fail(
            "changing the network needs root, or the capability CAP_NET_ADMIN; --check and --dry-run do not");
    if (!options.network_namespace.empty())
        if (auto entered = dsr::sys::enter_network_namespace(options.network_namespace); !entered)
            return std::unexpected(entered.error());
    return open_linux_kernel();
}

Report failure(std::string error) {
    Report report;
    report.exit = Exit::failed;
    report.error = std::move(error);
    return report;
}

Report run(const Options& options) {
    const auto kernel = open_kernel(options);
    if (!kernel) return failure(kernel.error().message);
    const auto survival = survival_of_this_host(options.restore || options.task.persist);
    if (options.task.persist && !survival)
        return failure("no reboot brings this network namespace back: --persist is for the host's own");
    Task task = options.task;
    if (survival) task.survival = &*survival;
    if (options.restore) return restore(task, **kernel, options.state_directory);
    const auto deed = options.remove ? &unprepare : &prepare;
    Report report = deed(options.request, task, **kernel, options.state_directory);
    if (task.guard && report.exit == Exit::ok)
        if (auto started = start_guard(*survival); !started) {
            report.exit = Exit::failed;
            report.error = started.error().message;
        }
    return report;
}

int guard(const Options& options, int argc, char** argv) {
    const auto kernel = open_kernel(options);
    if (kernel) return watch(options, **kernel, [&] { return parse_options(argc, argv); });
    fmt::print(stderr, "serverprep: {}\n", kernel.error().message);
    return static_cast<int>(Exit::failed);
}

int leave(const Leave& leave) {
    std::fputs(leave.out.c_str(), stdout);
    std::string all;
    for (const std::string& error : leave.errors) {
        fmt::print(stderr, "serverprep: {}\n", error);
        all += (all.empty() ? "" : "; ") + error;
    }
    if (leave.json) {
        Report report;
        report.exit = Exit::usage;
        report.error = all;
        std::fputs(format_json(report).c_str(), stdout);
    }
    return leave.exit;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto options = parse_options(argc, argv);
        if (!options) return leave(options.error());
        if (options->watch) return guard(*options, argc, argv);
        const Report report = run(*options);
        const std::string text =
            options->json ? format_json(report)
                          : format_text(report, {options->task.action, options->remove}, dsr::sys::Painter(stdout));
        if (!options->quiet || options->json || !report.ok()) std::fputs(text.c_str(), stdout);
        if (!report.error.empty()) fmt::print(stderr, "serverprep: {}\n", report.error);
        if (std::fflush(stdout) != 0) {
            fmt::print(stderr, "serverprep: cannot write the report: {}\n", std::strerror(errno));
            return static_cast<int>(Exit::failed);
        }
        return static_cast<int>(report.exit);
    } catch (const std::exception& error) {
        fmt::print(stderr, "serverprep: internal error: {}\n", error.what());
        return static_cast<int>(Exit::failed);
    }
}
