#include "verify/plan.hpp"

#include <algorithm>

#include "common/ring/flow_hash.hpp"
#include "common/ring/maglev.hpp"

namespace dsr::verify {
namespace {

constexpr std::uint32_t kPortCount = kLastProbePort - kFirstProbePort + 1U;

Result<std::vector<std::uint16_t>> ring_of(const Target& target) {
    std::vector<ring::Server> servers;
    for (const Server& server : target.servers)
        servers.push_back({server.address, server.weight});
    auto table = ring::build_table(servers, target.maglev_table_size);
    if (!table) return fail(table.error());
    return *std::move(table);
}

}  // namespace

Result<std::vector<PlannedFlow>> plan_flows(const Target& target, wire::Ipv4Address client, const PlanOptions& options,
                                            const Reserve& reserve) {
    const bool aimed = target.maglev_table_size != 0 && !target.servers.empty();
    std::vector<std::uint16_t> ring;
    if (aimed) {
        auto built = ring_of(target);
        if (!built) return std::unexpected(built.error());
        ring = *std::move(built);
    }
    const std::size_t wanted = aimed ? target.servers.size() * options.flows_per_server : options.probes;
    std::vector<std::size_t> planned(target.servers.size(), 0);
    std::vector<PlannedFlow> flows;
    for (std::uint32_t i = 0; i < kPortCount && flows.size() < wanted; ++i) {
        const std::uint32_t start = std::clamp(options.first_port, kFirstProbePort, kLastProbePort) - kFirstProbePort;
        const auto port = static_cast<std::uint16_t>(kFirstProbePort + (start + i) % kPortCount);
        PlannedFlow flow{{client, target.vip, port, target.port, static_cast<std::uint8_t>(target.protocol)}, {}};
        if (!ring.empty()) {
            const std::size_t server = ring[ring::slot_of(ring::flow_hash(flow.flow), target.maglev_table_size)];
            if (planned[server] == options.flows_per_server) continue;
            flow.server = server;
        }
        if (!reserve(port)) continue;
        if (flow.server) ++planned[*flow.server];
        flows.push_back(flow);
    }
    return flows;
}

}  // namespace dsr::verify
