// serverprep: see session.hpp for what happens, serverprep.8 for how to use it.
#include <cstdio>
#include <exception>
#include <string>

#include <fmt/format.h>

#include "serverprep/kernel/linux_kernel.hpp"
#include "serverprep/options.hpp"
#include "serverprep/report.hpp"
#include "serverprep/session.hpp"

namespace {

using namespace dsr::serverprep;

Report run(const Options& options) {
    const auto refuse = [](std::string error) {
        Report report;
        report.exit = Exit::failed;
        report.error = std::move(error);
        return report;
    };
    if (options.deed.action == Action::apply && !may_change_network())
        return refuse("changing the network needs root, or the capability CAP_NET_ADMIN; --check and --dry-run do not");
    const auto kernel = open_linux_kernel();
    if (!kernel) return refuse(kernel.error().message);
    const auto deed = options.deed.remove ? &unprepare : &prepare;
    return deed(options.request, options.deed.action, **kernel, options.state_directory);
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
        const Report report = run(*options);
        const std::string text =
            options->json ? format_json(report) : format_text(report, options->deed, dsr::sys::Painter(stdout));
        std::fputs(text.c_str(), stdout);
        if (!report.error.empty()) fmt::print(stderr, "serverprep: {}\n", report.error);
        return static_cast<int>(report.exit);
    } catch (const std::exception& error) {
        fmt::print(stderr, "serverprep: internal error: {}\n", error.what());
        return static_cast<int>(Exit::failed);
    }
}
