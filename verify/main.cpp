// verify: options and main.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>

#include <unistd.h>

#include "common/config/reader.hpp"
#include "verify/evidence/http.hpp"
#include "verify/judge/judge.hpp"
#include "verify/probe/path.hpp"
#include "verify/probe/smoke.hpp"
#include "verify/report.hpp"

namespace {

using namespace dsr;
using namespace dsr::verify;

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Options {
    std::vector<std::string> vips;
    std::string config;
    std::string interface;
    std::string lb_url;
    std::size_t probes = kDefaultProbes;
    double timeout_seconds = 2;
    bool http = false;
    bool json = false;
};

int complain(int status, const std::string& message) {
    std::cerr << "verify: " << message << "\n";
    return status;
}

void define(CLI::App& app, Options& options) {
    app.add_option("--vip", options.vips, "VIP and port to verify: IP:PORT or IP:PORT/udp; may be repeated")
        ->type_name("IP:PORT[/udp]");
    app.add_option("--config", options.config,
                   "the load balancer's configuration file: verifies its services, and aims probes at each server")
        ->type_name("F");
    app.add_option("--interface", options.interface, "send and capture there (default: as the kernel routes)")
        ->type_name("IF");
    app.add_option("--lb", options.lb_url,
                   "take the load balancer's counters as evidence: http://HOST:PORT or unix:/PATH")
        ->type_name("URL");
    app.add_option("--probes", options.probes,
                   "flows for each service when no --config tells the servers (default 160)")
        ->check(CLI::Range(1, 10000))
        ->type_name("N");
    app.add_option("--timeout", options.timeout_seconds, "seconds to wait for one answer (default 2)")
        ->check(CLI::Range(0.1, 60.0))
        ->type_name("S");
    app.add_flag("--http", options.http, "ask 'GET /' on every TCP port (default: on 80 and 8000..8100)");
    app.add_flag("--json", options.json, "one JSON document on standard output");
    app.set_version_flag("--version", "verify " DSR_VERSION);
    app.footer("Exit status: 0 all proved; 1 something refuted, or the check failed; 2 usage; 3 something not shown.");
}

// The configuration's services, or those named by --vip with what the configuration knows of them.
Result<std::vector<Target>> select_targets(const Options& options, const config::Config* config) {
    std::vector<Target> targets;
    for (const std::string& text : options.vips) {
        auto target = parse_target(text);
        if (target && config != nullptr) target = with_config(*target, *config);
        if (!target) return std::unexpected(target.error());
        targets.push_back(*std::move(target));
    }
    if (options.vips.empty()) targets = targets_of(*config);
    if (targets.empty()) return fail("the configuration file has no virtual service to verify");
    return targets;
}

int run(const Options& options) {
    if (options.vips.empty() && options.config.empty())
        return complain(kUsage, "nothing to verify: give --vip IP:PORT or --config F");
    config::ReadResult config;
    if (!options.config.empty()) {
        config = config::read_file(options.config);
        if (!config) {
            for (const config::Problem& problem : config.error())
                std::cerr << to_string(problem) << "\n";
            return kUsage;
        }
    }
    auto targets = select_targets(options, options.config.empty() ? nullptr : &*config);
    if (!targets) return complain(kUsage, targets.error().message);
    SmokeOptions smoke;
    smoke.targets = *std::move(targets);
    if (!options.interface.empty()) {
        const auto exists = interface_exists(options.interface);
        if (!exists) return complain(kFailed, exists.error().message);
        if (!*exists) return complain(kUsage, "there is no interface '" + options.interface + "'");
        smoke.interface = options.interface;
    }
    if (!options.lb_url.empty()) {
        if (!is_url(options.lb_url))
            return complain(
                kUsage, "'" + options.lb_url + "' is no URL of a load balancer: write http://HOST:PORT or unix:/PATH");
        smoke.lb_url = options.lb_url;
    }
    smoke.probes = options.probes;
    smoke.timeout = std::chrono::milliseconds(static_cast<long>(options.timeout_seconds * 1000));
    smoke.http = options.http ? Http::always : Http::by_port;
    if (::isatty(STDERR_FILENO) == 1)
        smoke.progress = [](std::string_view text) { std::cerr << "verify: " << text << " …\n"; };

    const auto observation = observe(smoke);
    if (!observation) return complain(kFailed, observation.error().message);
    const auto claims = judge(*observation);
    std::cout << (options.json ? report_json(claims) : report_text(claims, sys::Painter(stdout))) << std::flush;
    return std::cout ? exit_status(claims) : complain(kFailed, "cannot write the report");
}

}  // namespace

int main(int argc, char** argv) {
    try {
        CLI::App app(
            "Proves from a client host that every server behind a VIP answers, and that replies bypass the load "
            "balancer; or names what is wrong.",
            "verify");
        Options options;
        define(app, options);
        try {
            app.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            return app.exit(error) == 0 ? 0 : kUsage;
        }
        return run(options);
    } catch (const std::exception& error) {
        return complain(kFailed, error.what());
    }
}
