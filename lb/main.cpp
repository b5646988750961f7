// The program lb: options only. What the verbs do is in lb/control.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "lb/control/check.hpp"
#include "lb/control/command.hpp"
#include "lb/control/diff.hpp"
#include "lb/control/doctor.hpp"
#include "lb/control/explain.hpp"
#include "lb/control/replay.hpp"
#include "lb/control/run.hpp"

namespace {

constexpr int kUsageError = 2;

// The verbs, their options and what each then calls. Options are written into the members.
class CommandLine {
public:
    CommandLine() {
        app_.set_version_flag("--version", "lb " DSR_VERSION);
        app_.require_subcommand(1);
        add_run_and_check();
        add_replay();
        add_explain();
        add_diff();
        add_doctor();
        add_commands();
    }

    int run(int argc, char** argv) {
        try {
            app_.parse(argc, argv);
        } catch (const CLI::ParseError& error) {
            return app_.exit(error) == 0 ? 0 : kUsageError;
        }
        for (const auto& [verb, action] : actions_)
            if (verb->parsed()) return action();
        return kUsageError;
    }

private:
    CLI::App* add_verb(const char* name, const char* description, std::function<int()> action) {
        CLI::App* verb = app_.add_subcommand(name, description);
        actions_.emplace_back(verb, std::move(action));
        return verb;
    }

    CLI::App* add_verb_with_config(const char* name, const char* description, std::function<int()> action) {
        CLI::App* verb = add_verb(name, description, std::move(action));
        verb->add_option("--config", config_, "Configuration file")->capture_default_str()->type_name("FILE");
        return verb;
    }

    // A verb that talks to a running lb.
    CLI::App* add_command(const char* name, const char* description,
                          std::function<int(const dsr::lb::CommandOptions&)> action) {
        CLI::App* verb = app_.add_subcommand(name, description);
        verb->add_option("--config", config_, "Configuration file")->capture_default_str()->type_name("FILE");
        verb->add_option("--socket", command_.socket, "Control socket; default: the configuration's")
            ->type_name("PATH");
        verb->add_flag("--json", command_.json, "Print the answer as JSON");
        actions_.emplace_back(verb, [this, verb, action = std::move(action)] {
            command_.config = config_;
            command_.config_given = verb->count("--config") > 0;
            return action(command_);
        });
        return verb;
    }

    void add_run_and_check() {
        add_verb_with_config("run", "Forward, in the foreground, until SIGTERM",
                             [this] { return dsr::lb::run(config_); });
        add_verb_with_config("check", "Check the configuration file and end: 0 valid, 2 not",
                             [this] { return dsr::lb::check(config_); });
    }

    void add_replay() {
        CLI::App* verb = add_verb_with_config("replay", "Send a capture file through the data plane", [this] {
            replay_.config = config_;
            return dsr::lb::replay(replay_);
        });
        verb->add_option("--in", replay_.input, "Frames to receive (pcap or pcapng)")->required()->type_name("FILE");
        verb->add_option("--out", replay_.output, "Frames that lb would transmit (pcap)")
            ->required()
            ->type_name("FILE");
        verb->add_option("--verdicts", replay_.verdicts, "A line of JSON for each frame")->type_name("FILE");
        verb->add_flag("--json", replay_.json, "Print the counts as JSON");
    }

    void add_explain() {
        CLI::App* verb = add_verb_with_config("explain", "Tell which server a flow goes to, and why", [this] {
            explain_.config = config_;
            explain_.protocol = protocol_ == "udp" ? dsr::config::Protocol::udp : dsr::config::Protocol::tcp;
            return dsr::lb::explain(explain_);
        });
        verb->add_option("source", explain_.source, "The client's ADDRESS:PORT")->required()->type_name("SRC:PORT");
        verb->add_option("destination", explain_.destination, "The service's VIP:PORT")
            ->required()
            ->type_name("VIP:PORT");
        verb->add_option("--protocol", protocol_, "tcp or udp")
            ->capture_default_str()
            ->check(CLI::IsMember({"tcp", "udp"}));
        verb->add_flag("--json", explain_.json, "Print the answer as JSON");
    }

    void add_diff() {
        CLI::App* verb = add_verb("diff", "Tell what a reload from one configuration file to another would change",
                                  [this] { return dsr::lb::diff(diff_); });
        verb->add_option("old", diff_.before, "Configuration file as it is")->required()->type_name("OLD");
        verb->add_option("new", diff_.after, "Configuration file as it would be")->required()->type_name("NEW");
        verb->add_flag("--json", diff_.json, "Print the difference as JSON");
    }

    void add_doctor() {
        CLI::App* verb = add_verb_with_config("doctor", "Tell what on this host would keep lb from running", [this] {
            doctor_.config = config_;
            return dsr::lb::run_doctor(doctor_);
        });
        verb->add_flag("--json", doctor_.json, "Print the findings as JSON");
    }

    void add_commands() {
        add_command("reload", "Have the running lb read its configuration file again", &dsr::lb::reload);
        const auto add_state = [this](const char* name, const char* state, const char* description) {
            CLI::App* verb = add_command(name, description, [this, state](const auto& options) {
                return dsr::lb::set_server_state(options, pool_, server_, state);
            });
            verb->add_option("pool", pool_, "Name of the pool")->required()->type_name("POOL");
            verb->add_option("server", server_, "Address of the server")->required()->type_name("SERVER");
        };
        add_state("drain", "draining", "Give a server no new flows; it keeps those it has");
        add_state("disable", "disabled", "Take a server out at once; its flows move to others");
        add_state("enable", "enabled", "Give a server flows again");
        CLI::App* show = add_command("show", "Print what the running lb counts and knows",
                                     [this](const auto& options) { return dsr::lb::show(options, what_); });
        show->add_option("what", what_, "counters, servers, neighbors or interfaces")
            ->required()
            ->check(CLI::IsMember({"counters", "servers", "neighbors", "interfaces"}));
    }

    CLI::App app_{"lb forwards Direct Server Return traffic: each flow to one server, replies bypass it."};
    std::vector<std::pair<CLI::App*, std::function<int()>>> actions_;
    std::string config_ = "/etc/dsr/dsr.yaml";
    std::string protocol_ = "tcp";
    std::string pool_;
    std::string server_;
    std::string what_;
    dsr::lb::ReplayOptions replay_;
    dsr::lb::ExplainOptions explain_;
    dsr::lb::DiffOptions diff_;
    dsr::lb::DoctorOptions doctor_;
    dsr::lb::CommandOptions command_;
};

}  // namespace

int main(int argc, char** argv) {
    try {
        return CommandLine().run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "lb: internal error: %s\n", error.what());
        return 1;
    }
}
