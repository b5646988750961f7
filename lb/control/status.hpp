// What lb tells about itself: the JSON documents of /api/v1. Reads counters and state, changes nothing.
#pragma once

#include <nlohmann/json.hpp>

#include "common/config/model.hpp"
#include "common/sys/terminal.hpp"
#include "lb/control/balancer.hpp"

namespace dsr::lb {

using Json = nlohmann::ordered_json;

// {"received", "forwarded", "answered", "passed", "dropped": {reason: n}}; reasons that never happened are left out.
Json verdict_counts(const AllCounters& counters);
// The same as lines of a table, for people.
std::vector<std::vector<sys::Cell>> verdict_rows(const Json& counts);

// "80,443,8000-8100"
std::string ports_text(const std::vector<config::PortRange>& ports);
std::string_view protocol_text(config::Protocol protocol);
std::string_view state_text(config::ServerState state);

// verdict_counts, what the answers were, flows, and per service and server what was forwarded, came back, bounced.
Json counters_document(const config::Config& config, Identities& identities, const NeighborMonitor& neighbors,
                       const AllCounters& counters);

// [{"pool", "address", "state", "file_state", "weight", "slots", "slots_share", "next_hop", "mac", "packets"}];
// `file_state` differs from `state` where an operator has changed it.
Json servers_document(Balancer& balancer);

// [{"address", "interface", "state", "mac"}]
Json neighbors_document(const std::vector<HostInterface>& interfaces, const NeighborMonitor& neighbors);

// [{"name", "link", "mac", "address", "mtu", "gateway", "kernel_dropped", "kernel_interface": null or {"name",
// "to_kernel", "from_kernel", "dropped"}}]; `kernel_dropped`: frames that the kernel, or the device, had no room for.
Json interfaces_document(const std::vector<HostInterface>& interfaces, const std::vector<InterfaceState>& states);

}  // namespace dsr::lb
