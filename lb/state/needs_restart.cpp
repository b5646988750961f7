#include "lb/state/needs_restart.hpp"

namespace dsr::lb {

std::optional<std::string> needs_restart(const config::LoadBalancer& running, const config::LoadBalancer& wanted) {
    if (running.driver != wanted.driver) return "driver";
    if (running.interfaces != wanted.interfaces) return "interfaces";
    if (running.workers != wanted.workers) return "workers";
    if (running.flow_table_entries != wanted.flow_table_entries) return "flow_table_entries";
    if (running.control_socket != wanted.control_socket) return "control_socket";
    if (running.http != wanted.http) return "http";
    if (running.dpdk != wanted.dpdk) return "dpdk";
    return std::nullopt;
}

}  // namespace dsr::lb
