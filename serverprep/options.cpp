#include "serverprep/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "common/config/reader.hpp"
#include "serverprep/judge/finding.hpp"
#include "serverprep/refusal.hpp"
#include "serverprep/state_store.hpp"

namespace dsr::serverprep {
namespace {

constexpr int kUsage = static_cast<int>(Exit::usage);

struct RawOptions {
    std::vector<std::string> vips;
    std::vector<std::string> load_balancers;
    std::string config;
    std::vector<std::string> clients;
    std::string dsr_type;
    std::string decap = "auto";
    std::string fix;
    std::string netns;
    std::string interface;
    std::string state_directory = kDefaultStateDirectory;
    bool no_ip_forward = false;
    bool check = false;
    bool dry_run = false;
    bool remove = false;
    bool json = false;
    bool persist = false;
    bool restore = false;
    bool quiet = false;
    bool watch = false;
    int interval = 5;
    std::string metrics_file;
};

void declare_watch(CLI::App& app, RawOptions& raw) {
    auto* watch = app.add_flag(
        "--watch", raw.watch,
        "Stay, and repair what drifts (without VIPs: of all that is prepared); SIGHUP reads --config again; "
        "with --persist: a service does, from now on");
    for (const char* other : {"--check", "--dry-run", "--remove", "--fix", "--restore"})
        watch->excludes(app.get_option(other));
    app.add_option("--interval", raw.interval, "With --watch: seconds between looks when the kernel says nothing")
        ->type_name("SECONDS")
        ->check(CLI::Range(1, 3600).description(""))
        ->capture_default_str()
        ->needs(watch)
        ->excludes(app.get_option("--persist"));
    app.add_option("--metrics", raw.metrics_file, "With --watch: keep metrics for node_exporter's textfile collector")
        ->type_name("FILE.prom")
        ->needs(watch)
        ->excludes(app.get_option("--persist"));
}

void declare(CLI::App& app, RawOptions& raw) {
    app.set_version_flag("--version", std::string("serverprep ") + DSR_VERSION);
    auto* vip = app.add_option("--vip", raw.vips,
                               "Virtual IP this host is to serve, and a port that --check looks at; repeat for more")
                    ->type_name("ADDRESS[:PORT[/udp]]")
                    ->expected(1)
                    ->take_all();
    auto* config = app.add_option("--config", raw.config, "Configuration file: serve the VIPs whose pool has this host")
                       ->type_name("FILE");
    config->excludes(vip);
    app.add_option("--dsr-type", raw.dsr_type,
                   "How packets are handed over: by MAC address or in IP-in-IP (default: as on record, or l2)")
        ->type_name("l2|l3")
        ->check(CLI::IsMember({"l2", "l3"}).description(""))
        ->excludes(config);
    app.add_option("--decap", raw.decap, "What takes packets out of the tunnel: the kernel's ipip or a BPF filter")
        ->type_name("auto|ipip|bpf")
        ->check(CLI::IsMember({"auto", "ipip", "bpf"}).description(""))
        ->capture_default_str();
    app.add_option("--interface", raw.interface, "Interface with this host's own address (default: found by route)")
        ->type_name("IF");
    app.add_option("--load-balancer", raw.load_balancers,
                   "Who may send IP-in-IP, and must not get the replies: an address or a network; repeat for more")
        ->type_name("ADDRESS[/LENGTH]")
        ->expected(1)
        ->take_all();
    app.add_option("--client", raw.clients, "Ask the kernel about this client's packets; repeat for more")
        ->type_name("ADDRESS")
        ->expected(1)
        ->take_all();
    app.add_flag("--no-ip-forward", raw.no_ip_forward, "Leave ip_forward as it is");
    auto* check = app.add_flag("--check", raw.check, "Change nothing; exit 3 if this host is not as it should be");
    app.add_flag("--dry-run", raw.dry_run, "Change nothing; print the steps as commands")->excludes(check);
    auto* remove =
        app.add_flag("--remove", raw.remove, "Undo exactly what was done for these VIPs; without any, for all");
    app.add_option("--fix", raw.fix, "Mend this one finding, and nothing else")
        ->type_name("ID")
        ->check(CLI::IsMember(std::vector<std::string>(finding_ids().begin(), finding_ids().end())).description(""))
        ->excludes(check)
        ->excludes(remove);
    auto* persist = app.add_flag("--persist", raw.persist, "Have it survive reboots, from now on");
    persist->excludes(remove);
    auto* restore = app.add_flag("--restore", raw.restore, "Prepare again what is on record: what runs at boot");
    for (CLI::Option* other : {vip, config, remove, persist})
        restore->excludes(other);
    app.add_flag("--quiet", raw.quiet, "Print nothing unless something is wrong");
    app.add_option("--netns", raw.netns, "Work in this network namespace: a container's, by name or by a PID in it")
        ->type_name("NAME|PID")
        ->excludes(persist);
    app.add_flag("--json", raw.json, "One JSON document on standard output");
    app.add_option("--state-dir", raw.state_directory, "Where to remember how things were")
        ->type_name("DIR")
        ->capture_default_str();
    declare_watch(app, raw);
    app.footer("Exit status: 0 as it should be; 1 failed and rolled back; 2 usage; 3 --check found differences.");
}

Leave usage(const RawOptions& raw, std::vector<std::string> errors) {
    return {kUsage, {}, std::move(errors), raw.json};
}

using Errors = std::vector<std::string>;

std::optional<wire::Ipv4Address> parse_address(std::string_view option, const std::string& text, Errors& errors) {
    const auto address = wire::Ipv4Address::parse(text);
    if (!address) {
        const bool has_prefix = wire::Ipv4Prefix::parse(text).has_value();
        errors.push_back(
            fmt::format("{}: '{}' {}", option, text,
                        has_prefix ? "has a prefix length; say the address alone" : "is not an IPv4 address"));
    }
    return address;
}

// ":80", ":7000/udp"
std::optional<ServicePorts> parse_port(std::string_view text) {
    ServicePorts ports;
    if (text.ends_with("/udp")) ports.protocol = netlink::kProtocolUdp;
    if (const auto slash = text.find('/'); slash != std::string_view::npos) {
        if (text.substr(slash) != "/udp" && text.substr(slash) != "/tcp") return std::nullopt;
        text = text.substr(0, slash);
    }
    text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ports.first);
    if (error != std::errc{} || end != text.data() + text.size() || ports.first == 0) return std::nullopt;
    ports.last = ports.first;
    return ports;
}

void parse_vip(const std::string& text, Request& request, Errors& errors) {
    const auto colon = std::min(text.find(':'), text.size());
    const auto vip = parse_address("--vip", text.substr(0, colon), errors);
    if (!vip) return;
    if (const auto refusal = refusal_of_vip(*vip)) {
        errors.push_back(fmt::format("--vip: '{}' {}", text, *refusal));
        return;
    }
    request.vips.push_back(*vip);
    if (colon == text.size()) return;
    if (const auto port = parse_port(std::string_view(text).substr(colon)))
        request.ports[*vip].insert(*port);
    else
        errors.push_back(fmt::format("--vip: '{}' has no port 1 to 65535, or another protocol than /udp", text));
}

void parse_load_balancer(const std::string& text, Request& request, Errors& errors) {
    const auto prefix = wire::Ipv4Prefix::parse(text);
    if (prefix && prefix->length < 8)
        errors.push_back(fmt::format("--load-balancer: '{}' is shorter than 8: that is nearly anybody", text));
    else if (prefix)
        request.load_balancers.insert({prefix->network(), prefix->length});
    else if (const auto address = wire::Ipv4Address::parse(text))
        request.load_balancers.insert({*address, 32});
    else
        errors.push_back(fmt::format("--load-balancer: '{}' is not an IPv4 address", text));
}

std::expected<Options, Leave> interpret(const RawOptions& raw) {
    Errors errors;
    Options options;
    options.task.action = raw.check          ? Action::check
                          : raw.dry_run      ? Action::dry_run
                          : !raw.fix.empty() ? Action::fix
                                             : Action::apply;
    options.task.fix_id = raw.fix;
    options.remove = raw.remove;
    options.json = raw.json;
    options.state_directory = raw.state_directory;
    options.network_namespace = raw.netns;
    Request& request = options.request;
    request.ip_forward = !raw.no_ip_forward;
    request.dsr_type = parse_dsr_type(raw.dsr_type);
    request.decap = parse_decap_kind(raw.decap);
    if (!raw.interface.empty()) request.interface = raw.interface;

    options.task.persist = raw.persist;
    options.task.guard = raw.persist && raw.watch;
    // The guard of all that is on record.
    const bool watch_record = raw.watch && !raw.persist && raw.vips.empty() && raw.config.empty();
    options.restore = raw.restore || watch_record;
    options.quiet = raw.quiet;
    if (raw.vips.empty() && raw.config.empty() && !raw.remove && !options.restore)
        errors.emplace_back("say which VIPs: --vip ADDRESS, or --config FILE");
    for (const std::string& text : raw.vips)
        parse_vip(text, request, errors);
    for (const std::string& text : raw.load_balancers)
        parse_load_balancer(text, request, errors);
    for (const std::string& text : raw.clients)
        if (const auto client = parse_address("--client", text, errors)) request.clients.push_back(*client);
    if (!raw.config.empty()) {
        auto config = config::read_file(raw.config);
        if (config)
            request.config = std::move(*config);
        else
            for (const config::Problem& problem : config.error())
                errors.push_back(config::to_string(problem));
    }
    if (raw.watch && raw.json && !raw.persist) errors.emplace_back("--watch excludes --json, but with --persist");
    if (raw.watch && !raw.persist) options.watch = WatchOptions{std::chrono::seconds(raw.interval), raw.metrics_file};
    if (!raw.metrics_file.empty() && !raw.metrics_file.ends_with(".prom"))
        errors.push_back(
            fmt::format("--metrics: '{}' does not end in .prom; the collector reads no other file", raw.metrics_file));
    if (!errors.empty()) return std::unexpected(usage(raw, std::move(errors)));
    return options;
}

// An option's value and default, and no more: what excludes what is said to whoever needs it.
class Help : public CLI::Formatter {
public:
    std::string make_option_opts(const CLI::Option* option) const override {
        std::string text = option->get_type_size() == 0 ? "" : " " + option->get_type_name();
        if (!option->get_default_str().empty()) text += fmt::format(" (default: {})", option->get_default_str());
        return text;
    }
};

}  // namespace

std::expected<Options, Leave> parse_options(int argc, char** argv) {
    CLI::App app{"Make this host a correct pool server for Direct Server Return, or say what is wrong", "serverprep"};
    app.formatter(std::make_shared<Help>());
    app.get_formatter()->column_width(34);
    RawOptions raw;
    declare(app, raw);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& success) {
        std::ostringstream out;
        app.exit(success, out, out);
        return std::unexpected(Leave{0, out.str(), {}, false});
    } catch (const CLI::ExtrasError& error) {
        return std::unexpected(usage(raw, {fmt::format("{} (--vip ADDRESS says which VIP; --help)", error.what())}));
    } catch (const CLI::ParseError& error) {
        return std::unexpected(usage(raw, {error.what()}));
    }
    return interpret(raw);
}

}  // namespace dsr::serverprep
