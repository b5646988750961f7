// What lb answers over HTTP: documents for everyone, commands on the control socket.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/config/model.hpp"
#include "lb/control/api_server.hpp"
#include "lb/control/balancer.hpp"

namespace dsr::lb {

class Api {
public:
    // Listens; nobody is served before attach(). Errors: another lb answers at the control socket, an address in use.
    static Result<std::unique_ptr<Api>> open(const config::LoadBalancer& config, std::string config_path);
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;

    void attach(Balancer& balancer) { balancer_ = &balancer; }
    // From now on; before, lb is busy starting.
    void take_commands() { commands_ = true; }
    [[nodiscard]] const std::vector<std::unique_ptr<ApiServer>>& servers() const { return servers_; }

    // Reads the configuration file again and goes over to it. Says on standard error how it went; false: nothing
    // changed.
    bool reload();

private:
    explicit Api(std::string config_path) : config_path_(std::move(config_path)) {}

    HttpResponse answer(const HttpRequest& request);
    HttpResponse document(const std::string& path);
    HttpResponse set_server_state(const HttpRequest& request);
    std::vector<std::string> try_reload();
    [[nodiscard]] std::vector<std::string> warnings() const;
    // That a command has been carried out, and what the operator should know.
    HttpResponse done(const std::string& summary) const;

    std::string config_path_;
    Balancer* balancer_ = nullptr;
    bool commands_ = false;
    std::vector<std::unique_ptr<ApiServer>> servers_;
};

}  // namespace dsr::lb
