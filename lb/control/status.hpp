// What lb tells about itself: the JSON documents of /api/v1. Reads counters and state, changes nothing.
#pragma once

#include <nlohmann/json.hpp>

#include "common/config/model.hpp"
#include "lb/control/interfaces.hpp"
#include "lb/dataplane/counters.hpp"
#include "lb/driver/pcap_driver.hpp"
#include "lb/monitor/neighbors.hpp"
#include "lb/state/identities.hpp"

namespace dsr::lb {

using Json = nlohmann::ordered_json;

// {"received", "forwarded", "answered", "passed", "dropped": {reason: n}}; reasons that never happened are left out.
Json verdict_counts(const Counters& counters);

// "80,443,8000-8100"
std::string ports_text(const std::vector<config::PortRange>& ports);
std::string_view protocol_text(config::Protocol protocol);

// verdict_counts, and per service and server what was forwarded, came back, bounced.
Json counters_document(const config::Config& config, Identities& identities, const NeighborMonitor& neighbors,
                       const Counters& counters);

// [{"address", "interface", "state", "mac"}]
Json neighbors_document(const std::vector<HostInterface>& interfaces, const NeighborMonitor& neighbors);

// [{"name", "mac", "address", "mtu", "gateway", "kernel_dropped"}]
Json interfaces_document(const std::vector<HostInterface>& interfaces, const KernelDrops& drops);

}  // namespace dsr::lb
