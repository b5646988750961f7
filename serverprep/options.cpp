#include "serverprep/options.hpp"

#include <CLI/CLI.hpp>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "common/config/reader.hpp"
#include "serverprep/state_store.hpp"

namespace dsr::serverprep {
namespace {

constexpr int kUsage = static_cast<int>(Exit::usage);

struct RawOptions {
    std::vector<std::string> vips;
    std::vector<std::string> load_balancers;
    std::string config;
    std::string dsr_type = "l2";
    std::string interface;
    std::string state_directory = kDefaultStateDirectory;
    bool no_ip_forward = false;
    bool check = false;
    bool dry_run = false;
    bool remove = false;
    bool json = false;
};

void declare(CLI::App& app, RawOptions& raw) {
    app.set_version_flag("--version", std::string("serverprep ") + DSR_VERSION);
    auto* vip = app.add_option("--vip", raw.vips, "Virtual IP this host is to serve; repeat for more")
                    ->type_name("ADDRESS")
                    ->expected(1)
                    ->take_all();
    auto* config = app.add_option("--config", raw.config, "Configuration file: serve the VIPs whose pool has this host")
                       ->type_name("FILE");
    config->excludes(vip);
    app.add_option("--dsr-type", raw.dsr_type, "How the load balancer hands packets over; only l2 so far")
        ->type_name("l2|l3")
        ->check(CLI::IsMember({"l2", "l3"}));
    app.add_option("--interface", raw.interface, "Interface with this host's own address (default: found by route)")
        ->type_name("IF");
    app.add_option("--load-balancer", raw.load_balancers,
                   "Take the interface towards this load balancer; repeat for more")
        ->type_name("ADDRESS")
        ->expected(1)
        ->take_all();
    app.add_flag("--no-ip-forward", raw.no_ip_forward, "Leave ip_forward as it is");
    auto* check = app.add_flag("--check", raw.check, "Change nothing; exit 3 if this host is not as it should be");
    app.add_flag("--dry-run", raw.dry_run, "Change nothing; print the steps as commands")->excludes(check);
    app.add_flag("--remove", raw.remove, "Undo exactly what was done for these VIPs; without any, for all");
    app.add_flag("--json", raw.json, "One JSON document on standard output");
    app.add_option("--state-dir", raw.state_directory, "Where to remember how things were")
        ->type_name("DIR")
        ->capture_default_str();
    app.footer("Exit status: 0 as it should be; 1 failed and rolled back; 2 usage; 3 --check found differences.");
}

Leave usage(const RawOptions& raw, std::vector<std::string> errors) {
    return {kUsage, {}, std::move(errors), raw.json};
}

std::expected<wire::Ipv4Address, std::string> parse_address(std::string_view option, const std::string& text) {
    if (const auto address = wire::Ipv4Address::parse(text)) return *address;
    const bool has_prefix = wire::Ipv4Prefix::parse(text).has_value();
    return std::unexpected(
        fmt::format("{}: '{}' {}", option, text,
                    has_prefix ? "has a prefix length; say the address alone" : "is not an IPv4 address"));
}

std::expected<Options, Leave> interpret(const RawOptions& raw) {
    std::vector<std::string> errors;
    Options options;
    options.deed = {raw.check ? Action::check : raw.dry_run ? Action::dry_run : Action::apply, raw.remove};
    options.json = raw.json;
    options.state_directory = raw.state_directory;
    options.request.ip_forward = !raw.no_ip_forward;
    if (!raw.interface.empty()) options.request.interface = raw.interface;

    if (raw.vips.empty() && raw.config.empty() && !raw.remove)
        errors.emplace_back("say which VIPs: --vip ADDRESS, or --config FILE");
    for (const std::string& text : raw.vips) {
        auto vip = parse_address("--vip", text);
        if (!vip)
            errors.push_back(vip.error());
        else if (const auto refusal = refusal_of_vip(*vip))
            errors.push_back(fmt::format("--vip: '{}' {}", text, *refusal));
        else
            options.request.vips.push_back(*vip);
    }
    for (const std::string& text : raw.load_balancers) {
        auto address = parse_address("--load-balancer", text);
        if (!address)
            errors.push_back(address.error());
        else
            options.request.load_balancers.push_back(*address);
    }
    if (raw.dsr_type == "l3")
        errors.emplace_back("--dsr-type: 'l3' is not supported yet; this version prepares servers for l2 only");
    if (!raw.config.empty()) {
        auto config = config::read_file(raw.config);
        if (config)
            options.request.config = std::move(*config);
        else
            for (const config::Problem& problem : config.error())
                errors.push_back(config::to_string(problem));
    }
    if (!errors.empty()) return std::unexpected(usage(raw, std::move(errors)));
    return options;
}

}  // namespace

std::expected<Options, Leave> parse_options(int argc, char** argv) {
    CLI::App app{"Make this host a correct pool server for Direct Server Return, or say what is wrong", "serverprep"};
    app.get_formatter()->column_width(34);
    RawOptions raw;
    declare(app, raw);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        std::ostringstream out;
        app.exit(success, out, out);
        return std::unexpected(Leave{0, out.str(), {}, false});
    } catch (const CLI::ParseError& error) {
        return std::unexpected(usage(raw, {error.what()}));
    }
    return interpret(raw);
}

}  // namespace dsr::serverprep
