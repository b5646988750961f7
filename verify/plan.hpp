// Chooses the source ports of the probes, so that every server is reached. Pure; knows nothing of sockets but whether a
// port may be used, which it is told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/sys/error.hpp"
#include "common/wire/flow_key.hpp"
#include "verify/target.hpp"

namespace dsr::verify {

// Probes leave from ports in this range: registered ports below Linux's ephemeral ones (32768), so that they meet no
// connection of others.
inline constexpr std::uint16_t kFirstProbePort = 20000;
inline constexpr std::uint16_t kLastProbePort = 32767;

// Flows aimed at each server when the load balancer's ring is known.
inline constexpr std::size_t kFlowsPerServer = 4;
// Flows when it is not: with 16 equal servers each one gets at least one flow with probability 0.9995.
inline constexpr std::size_t kDefaultProbes = 160;

struct PlannedFlow {
    wire::FlowKey flow;                 // client to VIP
    std::optional<std::size_t> server;  // index into Target::servers that the ring gives the flow to
};

struct PlanOptions {
    std::uint16_t first_port = kFirstProbePort;  // where to start in the range; it wraps around
    std::size_t probes = kDefaultProbes;         // only where the ring is not known
    std::size_t flows_per_server = kFlowsPerServer;
};

// Asked once for a port that is wanted; false: in use, take another.
using Reserve = std::function<bool(std::uint16_t port)>;

// With a known ring, flows_per_server flows for each server (fewer when the range ends first); else `probes` flows.
// Error: the servers make no ring (too many of them, or a table size that is not prime).
Result<std::vector<PlannedFlow>> plan_flows(const Target& target, wire::Ipv4Address client, const PlanOptions& options,
                                            const Reserve& reserve);

}  // namespace dsr::verify
