#include "lb/control/check.hpp"

#include <algorithm>

#include "lb/control/console.hpp"
#include "lb/control/interfaces.hpp"
#include "lb/driver/dpdk/support.hpp"
#include "lb/state/build_table.hpp"

namespace dsr::lb {

int check(const std::string& config_path) {
    const auto config = read_config(config_path);
    if (!config) return 2;
    if (config->load_balancer.driver == config::Driver::dpdk)
        if (const auto devices = devices_of(config->load_balancer); !devices) {
            say(devices.error().message);
            return 2;
        }
    for (const auto& warning : warnings_of(*config))
        say("warning: " + warning);
    return 0;
}

std::vector<std::string> warnings_of(const config::Config& config) {
    std::vector<std::string> warnings;
    if (config.load_balancer.driver == config::Driver::dpdk && !dpdk_in_this_build()) warnings.emplace_back(kNoDpdk);
    const auto monitored = [](const config::Pool& pool) {
        return pool.health_monitor.type != config::MonitorType::none;
    };
    if (std::ranges::any_of(config.pools, monitored))
        warnings.emplace_back("this version of lb does not run health monitors: every enabled server gets flows");
    for (const std::size_t pool : pools_in_use(config))
        if (std::ranges::none_of(ring_members(config.pools[pool]),
                                 [](const auto& member) { return member.weight > 0; }))
            warnings.push_back("pool '" + config.pools[pool].name +
                               "': no server takes new flows, so they are dropped (no_server)");
    return warnings;
}

}  // namespace dsr::lb
