#include "lb/control/command.hpp"

#include <cstdio>
#include <filesystem>

#include "common/sys/terminal.hpp"
#include "lb/control/client.hpp"
#include "lb/control/console.hpp"
#include "lb/control/status.hpp"

namespace dsr::lb {
namespace {

using sys::Cell;
using Rows = std::vector<std::vector<Cell>>;

std::string text_of(const Json& value) {
    if (value.is_null()) return "-";
    return value.is_string() ? value.get<std::string>() : value.dump();
}

// nullopt after what is wrong with the configuration was reported.
std::optional<std::string> socket_of(const CommandOptions& options) {
    if (options.socket) return options.socket;
    // Who may use the socket need not be allowed to read the file: then it is where it is by default.
    if (!options.config_given && !std::filesystem::exists(options.config)) return config::LoadBalancer{}.control_socket;
    const auto config = read_config(options.config);
    if (config) return config->load_balancer.control_socket;
    say("the control socket is not known without the configuration; name it: --socket PATH");
    return std::nullopt;
}

// The document lb answers with, or the exit code after an error was reported.
std::expected<Json, int> document(const CommandOptions& options, const std::string& path, bool command,
                                  const std::map<std::string, std::string>& arguments = {}) {
    const auto socket = socket_of(options);
    if (!socket) return std::unexpected(2);
    const auto answer = ask(*socket, path, command, arguments);
    if (!answer) {
        say(answer.error().message);
        return std::unexpected(1);
    }
    Json body = Json::parse(answer->body, nullptr, false);
    if (answer->status == 200 && !body.is_discarded()) return body;
    if (body.is_object() && body.contains("errors"))
        for (const auto& error : body["errors"])
            say(error.is_string() ? error.get<std::string>() : error.dump());
    else
        say("lb answered with status " + std::to_string(answer->status) + ", which is not understood");
    return std::unexpected(1);
}

int command(const CommandOptions& options, const std::string& path, const char* done,
            const std::map<std::string, std::string>& arguments = {}) {
    const auto answer = document(options, path, true, arguments);
    if (!answer) return answer.error();
    if (options.json)
        std::printf("%s\n", answer->dump().c_str());
    else
        std::printf("%s%s\n", done, answer->value("summary", "").c_str());
    for (const auto& warning : answer->value("warnings", Json::array()))
        say("warning: " + text_of(warning));
    return 0;
}

Rows counter_rows(const Json& counters) {
    Rows rows = verdict_rows(counters);
    for (const auto& [kind, count] : counters["answers"].items())
        rows.push_back({Cell{"answered: " + kind}, Cell{count.dump()}});
    for (const char* key : {"new_flows", "flow_table_full", "flow_limit"})
        rows.push_back({Cell{key}, Cell{text_of(counters[key])}});
    for (const auto& service : counters["services"]) {
        const std::string name = "service " + service["name"].get<std::string>() + ": ";
        for (const char* key : {"packets", "return_packets"})
            rows.push_back({Cell{name + key}, Cell{text_of(service[key])}});
        for (const auto& server : service["servers"])
            for (const char* key : {"packets", "bounced"})
                rows.push_back({Cell{name + text_of(server["address"]) + " " + key}, Cell{text_of(server[key])}});
    }
    return rows;
}

// A header line, then one line for each object of the list.
Rows list_rows(const Json& list, const std::vector<const char*>& columns) {
    Rows rows(1);
    for (const char* column : columns)
        rows[0].push_back(Cell{column, sys::Colour::dim});
    for (const auto& entry : list) {
        std::vector<Cell> row;
        for (const char* column : columns)
            row.push_back(Cell{text_of(entry[column])});
        rows.push_back(row);
    }
    return rows;
}

}  // namespace

int reload(const CommandOptions& options) {
    return command(options, "/api/v1/reload", "reloaded: ");
}

int set_server_state(const CommandOptions& options, const std::string& pool, const std::string& server,
                     const std::string& state) {
    if (!wire::Ipv4Address::parse(server)) {
        say("'" + server + "' is not an IPv4 address");
        return 2;
    }
    return command(options, "/api/v1/server", "", {{"pool", pool}, {"address", server}, {"state", state}});
}

int show(const CommandOptions& options, const std::string& what) {
    const auto answer = document(options, "/api/v1/" + what, false);
    if (!answer) return answer.error();
    if (options.json) {
        std::printf("%s\n", answer->dump().c_str());
        return 0;
    }
    Rows rows;
    if (what == "counters")
        rows = counter_rows(*answer);
    else if (what == "servers")
        rows = list_rows(*answer,
                         {"pool", "address", "state", "file_state", "weight", "slots", "next_hop", "mac", "packets"});
    else if (what == "interfaces")
        rows = list_rows(*answer, {"name", "link", "mac", "address", "mtu", "gateway", "kernel_dropped"});
    else
        rows = list_rows(*answer, {"address", "interface", "state", "mac"});
    std::fputs(sys::format_table(rows, sys::Painter(stdout)).c_str(), stdout);
    return 0;
}

}  // namespace dsr::lb
