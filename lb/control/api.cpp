#include "lb/control/api.hpp"

#include <algorithm>

#include "common/config/reader.hpp"
#include "common/sys/notify.hpp"
#include "lb/control/check.hpp"
#include "lb/control/console.hpp"
#include "lb/control/status.hpp"

namespace dsr::lb {
namespace {

HttpResponse refusal(unsigned status, const std::vector<std::string>& errors) {
    return {status, Json{{"errors", errors}}.dump()};
}

std::optional<config::ServerState> state_named(const std::string& name) {
    for (const auto state :
         {config::ServerState::enabled, config::ServerState::draining, config::ServerState::disabled})
        if (name == state_text(state)) return state;
    return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Api>> Api::open(const config::LoadBalancer& config, std::string config_path) {
    std::unique_ptr<Api> api(new Api(std::move(config_path)));
    const auto handler = [self = api.get()](const HttpRequest& request) { return self->answer(request); };
    auto control = ApiServer::on_unix_socket(config.control_socket, handler);
    if (!control) return std::unexpected(control.error());
    api->servers_.push_back(*std::move(control));
    if (config.http.empty()) return api;
    // The address of a kernel_interface is there as soon as lb has made it.
    const bool ours = std::ranges::any_of(config.interfaces, [&config](const config::Interface& one) {
        return !one.kernel_interface.empty() && one.address &&
               config.http.starts_with(wire::to_string(one.address->address) + ":");
    });
    auto http = ApiServer::on_tcp(config.http, handler, ours);
    if (!http) return std::unexpected(http.error());
    api->servers_.push_back(*std::move(http));
    return api;
}

HttpResponse Api::answer(const HttpRequest& request) {
    if (balancer_ == nullptr) return refusal(503, {"lb is starting"});
    if (!request.command) return document(request.path);
    if (!commands_) return refusal(503, {"lb is starting"});
    if (request.path == "/api/v1/reload") {
        const auto errors = try_reload();
        return errors.empty() ? done(balancer_->summary()) : refusal(409, errors);
    }
    if (request.path == "/api/v1/server") return set_server_state(request);
    return refusal(404, {"no such command: POST /api/v1/reload or /api/v1/server"});
}

HttpResponse Api::document(const std::string& path) {
    Balancer& lb = *balancer_;
    if (path == "/api/v1/counters")
        return {200, counters_document(lb.config(), lb.identities(), lb.neighbors(), lb.counters()).dump()};
    if (path == "/api/v1/servers") return {200, servers_document(lb).dump()};
    if (path == "/api/v1/neighbors") return {200, neighbors_document(lb.interfaces(), lb.neighbors()).dump()};
    if (path == "/api/v1/interfaces") return {200, interfaces_document(lb.interfaces(), lb.interface_states()).dump()};
    return refusal(404, {"no such document: /api/v1/counters, servers, neighbors or interfaces"});
}

HttpResponse Api::set_server_state(const HttpRequest& request) {
    const auto argument = [&](const char* name) {
        const auto found = request.arguments.find(name);
        return found == request.arguments.end() ? std::string{} : found->second;
    };
    const std::string pool = argument("pool");
    const auto address = wire::Ipv4Address::parse(argument("address"));
    const auto state = state_named(argument("state"));
    if (!address) return refusal(400, {"'" + argument("address") + "' is not an IPv4 address"});
    if (!state) return refusal(400, {"'" + argument("state") + "' is not enabled, draining or disabled"});
    if (const auto set = balancer_->set_server_state(pool, *address, *state); !set)
        return refusal(404, {set.error().message});
    const std::string summary =
        "server '" + wire::to_string(*address) + "' of pool '" + pool + "' is " + std::string(state_text(*state));
    say(summary + ", by an operator");
    return done(summary);
}

std::vector<std::string> Api::try_reload() {
    sys::notify_reloading();
    std::vector<std::string> errors;
    auto config = config::read_file(config_path_);
    if (!config)
        for (const auto& problem : config.error())
            errors.push_back(to_string(problem));
    else if (const auto reloaded = balancer_->reload(*std::move(config)); !reloaded)
        errors.push_back(reloaded.error().message);
    for (const auto& error : errors)
        say(error);
    if (errors.empty()) {
        for (const auto& sentence : warnings())
            say("warning: " + sentence);
        say("reloaded: " + balancer_->summary());
    } else {
        say("not reloaded: the configuration in use stays");
    }
    sys::notify_ready("forwarding " + balancer_->summary());
    return errors;
}

std::vector<std::string> Api::warnings() const {
    auto sentences = balancer_->unresolved();
    for (auto& sentence : warnings_of(balancer_->config()))
        sentences.push_back(std::move(sentence));
    return sentences;
}

HttpResponse Api::done(const std::string& summary) const {
    return {200, Json{{"summary", summary}, {"warnings", warnings()}}.dump()};
}

bool Api::reload() {
    return try_reload().empty();
}

}  // namespace dsr::lb
