// What a flood of forged SYNs must not do. (forward_bench does the same with 10 M of them, and measures it.)
#include <catch2/catch.hpp>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

constexpr std::uint32_t kFlows = 10'000;
constexpr std::uint32_t kForged = 1'000'000;
constexpr std::size_t kTable = std::size_t{1} << 17U;
constexpr std::uint32_t kClients = 0xc6120000U;  // 198.18.0.0, one flow an address
constexpr std::uint32_t kForgers = 0x64400000U;  // 100.64.0.0

class Flood {
public:
    explicit Flood(const config::Config& config) {
        core.table.reset();
        core.rebuild(config);
    }
    // A packet of the flow from this source; the server that it goes to.
    ServerId send(std::uint32_t source, std::uint8_t flags, FlowTime now) {
        auto& ip = wire::header_at<wire::Ipv4Header>(frame->bytes(), sizeof(wire::EthernetHeader));
        const auto address = wire::Ipv4Address::from_host(source);
        ip.checksum = wire::checksum_update(ip.checksum, ip.source.network(), address.network());
        ip.source = address;
        wire::header_at<wire::TcpHeader>(frame->bytes(), sizeof(wire::EthernetHeader) + sizeof ip).flags = flags;
        Packet packet = frame->packet();
        forward(*core.table, now, {&packet, 1}, state);
        state.counters.account(packet);
        wire::header_at<wire::EthernetHeader>(frame->bytes()).destination = kLbMac;
        wire::header_at<wire::EthernetHeader>(frame->bytes()).source = kClientMac;
        return packet.verdict == Verdict::forwarded ? packet.server : kNoServer;
    }

    Core core;
    WorkerState state{kTable, 1600};
    std::unique_ptr<Frame> frame = tcp_frame(40000);
};

}  // namespace

TEST_CASE("a flood of forged SYNs takes no established flow's server, and no memory") {
    config::Config config = two_server_config();
    config.load_balancer.new_flows_per_second = 0;  // no limit: the worst that can happen
    Flood flood(config);
    std::vector<ServerId> before;
    for (std::uint32_t i = 0; i < kFlows; ++i) {
        flood.send(kClients + i, wire::kTcpSyn, 0);
        before.push_back(flood.send(kClients + i, wire::kTcpAck, 0));
    }
    REQUIRE(flood.state.counters.flow_table_full.get() == 0);
    const std::size_t memory = flood.state.flows.memory();

    std::uint64_t unserved = 0;
    for (std::uint32_t i = 0; i < kForged; ++i)
        if (flood.send(kForgers + i, wire::kTcpSyn, static_cast<FlowTime>(i / (kForged / 10))) == kNoServer) ++unserved;
    CHECK(unserved == 0);
    CHECK(flood.state.flows.memory() == memory);
    // The table was full: without half-open flows giving way, established ones would have had to, or new ones wait.
    CHECK(flood.state.flows.count(10) > kTable * 9 / 10);

    // The ring now knows one server only: who still goes to the other is remembered.
    config.pools[0].servers[1].state = config::ServerState::draining;
    flood.core.rebuild(config);
    std::uint32_t moved = 0;
    std::uint32_t on_draining = 0;
    for (std::uint32_t i = 0; i < kFlows; ++i) {
        const ServerId server = flood.send(kClients + i, wire::kTcpAck, 10);
        if (server != before[i]) ++moved;
        if (!flood.core.table->servers[server].takes_new_flows) ++on_draining;
    }
    CHECK(moved == 0);
    CHECK(on_draining > kFlows / 3);
}
