// The program lb: options only. What the verbs do is in lb/control.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "lb/control/check.hpp"
#include "lb/control/explain.hpp"
#include "lb/control/replay.hpp"
#include "lb/control/run.hpp"

namespace {

constexpr int kUsageError = 2;
constexpr const char* kDefaultConfig = "/etc/dsr/dsr.yaml";

CLI::App* add_verb(CLI::App& app, const char* name, const char* description, std::string& config) {
    CLI::App* verb = app.add_subcommand(name, description);
    verb->add_option("--config", config, "Configuration file")->capture_default_str()->type_name("FILE");
    return verb;
}

int run_command_line(int argc, char** argv) {
    CLI::App app{"lb forwards Direct Server Return traffic: each flow to one server, replies bypass it."};
    app.set_version_flag("--version", "lb " DSR_VERSION);
    app.require_subcommand(1);
    std::string config = kDefaultConfig;

    CLI::App* run = add_verb(app, "run", "Forward, in the foreground, until SIGTERM", config);
    CLI::App* check_verb = add_verb(app, "check", "Check the configuration file and end: 0 valid, 2 not", config);

    dsr::lb::ReplayOptions replay_options;
    CLI::App* replay = add_verb(app, "replay", "Send a capture file through the data plane", config);
    replay->add_option("--in", replay_options.input, "Frames to receive (pcap or pcapng)")
        ->required()
        ->type_name("FILE");
    replay->add_option("--out", replay_options.output, "Frames that lb would transmit (pcap)")
        ->required()
        ->type_name("FILE");
    replay->add_option("--verdicts", replay_options.verdicts, "A line of JSON for each frame")->type_name("FILE");
    replay->add_flag("--json", replay_options.json, "Print the counts as JSON");

    dsr::lb::ExplainOptions explain_options;
    std::string protocol = "tcp";
    CLI::App* explain = add_verb(app, "explain", "Tell which server a flow goes to, and why", config);
    explain->add_option("source", explain_options.source, "The client's ADDRESS:PORT")
        ->required()
        ->type_name("SRC:PORT");
    explain->add_option("destination", explain_options.destination, "The service's VIP:PORT")
        ->required()
        ->type_name("VIP:PORT");
    explain->add_option("--protocol", protocol, "tcp or udp")
        ->capture_default_str()
        ->check(CLI::IsMember({"tcp", "udp"}));
    explain->add_flag("--json", explain_options.json, "Print the answer as JSON");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kUsageError;
    }

    if (run->parsed()) return dsr::lb::run(config);
    if (check_verb->parsed()) return dsr::lb::check(config);
    if (replay->parsed()) {
        replay_options.config = config;
        return dsr::lb::replay(replay_options);
    }
    explain_options.config = config;
    explain_options.protocol = protocol == "udp" ? dsr::config::Protocol::udp : dsr::config::Protocol::tcp;
    return dsr::lb::explain(explain_options);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run_command_line(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lb: internal error: %s\n", error.what());
        return 1;
    }
}
