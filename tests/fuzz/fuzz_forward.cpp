// Any frames through the whole data plane, as a worker runs them: fragments that waited come in again. Between frames
// time goes by, servers drain, fail and come back. Every frame ends in one verdict; what is not sent stays as it was;
// what is sent is judged by tests/unit/lb/oracle.hpp.
//
// Input: one byte of options and one that chooses the MTUs; then frames one after the other, each as one byte of
// repairs, one more that is a step when the repairs say so, two bytes of length (big-endian) and its bytes. The repairs
// let mutations get past the checks that random bytes would never pass.
#include <cstdio>
#include <cstdlib>

#include "tests/unit/lb/oracle.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

enum Options : std::uint8_t {
    kTcpLayer3 = 1,
    kUdpLayer3 = 2,
    kTwoArms = 4,
    kPerPacket = 8,
    kForwardEcho = 16,
    kOuterSource = 32,
    kNoOffloads = 64,
    kFarServers = 128,  // behind a gateway; where all is Layer 3
};

enum Repairs : std::uint8_t {
    kToLb = 1,       // destination MAC address: ours
    kToVip = 2,      // IPv4 destination: the VIP
    kChecksum = 4,   // IPv4 header checksum: right
    kSecondArm = 8,  // came in by the second interface
    kStep = 16,      // before it, a step
    kTransport = 32  // TCP checksum, or that of UDP: right
};

const wire::Ipv4Address kRouter = ip("10.0.0.1");

struct Setup {
    config::Config config;
    std::vector<Interface> interfaces;
    NeighborMacs neighbors;
};

Setup setup_of(std::uint8_t options, std::uint8_t mtus) {
    constexpr std::array<std::uint32_t, 4> kMtus{1500, 576, 1400, 9000};
    Setup setup{two_server_config(), (options & kTwoArms) != 0 ? two_arms() : one_arm(), both_servers()};
    setup.neighbors.emplace(kRouter, mac("02:00:00:00:01:01"));
    for (auto& interface : setup.interfaces) {
        interface.mtu = kMtus.at(mtus & 3U);
        interface.software_offloads = (options & kNoOffloads) == 0;
        mtus >>= 2U;
    }
    auto& profiles = setup.config.network_profiles;
    if ((options & kTcpLayer3) != 0) profiles[0].dsr_type = config::DsrType::l3;
    if ((options & kUdpLayer3) != 0) profiles[1].dsr_type = config::DsrType::l3;
    profiles[1].per_packet = (options & kPerPacket) != 0;
    for (auto& profile : profiles)
        if ((options & kOuterSource) != 0) profile.outer_source = wire::Ipv4Prefix{ip("192.168.77.0"), 29};
    for (auto& service : setup.config.virtual_services)
        service.icmp_echo = (options & kForwardEcho) != 0 ? config::IcmpEcho::forward : config::IcmpEcho::answer;
    constexpr unsigned kAllFar = kTcpLayer3 | kUdpLayer3 | kFarServers;
    if ((options & kAllFar) == kAllFar)
        for (auto& server : setup.config.pools[0].servers)
            server.address = wire::Ipv4Address::from_host(server.address.host() + 0x01000000U);
    return setup;
}

// Low bits: what happens; high bits: to whom, or for how long.
void take_step(std::uint8_t step, Setup& setup, Core& core, FlowTime& now) {
    const unsigned kind = step & 7U;
    const unsigned amount = step >> 3U;
    if (kind == 0) now = static_cast<FlowTime>(now + amount);
    if (kind == 1) now = static_cast<FlowTime>(now + amount * 2000);
    auto& servers = setup.config.pools[0].servers;
    if (kind == 2) servers.at(amount % 2).state = config::ServerState::draining;
    if (kind == 3) servers.at(amount % 2).state = config::ServerState::disabled;
    if (kind == 4) servers.at(amount % 2).state = config::ServerState::enabled;
    if (kind == 5) core.active = amount % 2 == 0;
    if (kind == 6) setup.neighbors = amount % 2 == 0 ? NeighborMacs{{kRouter, kClientMac}} : both_servers();
    if (kind == 7)  // the UDP service is gone, or comes back
        setup.config.virtual_services[1].ports = {{amount % 2 == 0 ? std::uint16_t{53} : std::uint16_t{54}, 60}};
    if (kind >= 2) core.rebuild(setup.config, setup.interfaces, setup.neighbors);
}

void repair_transport(wire::MutableBytes packet, std::size_t header_length) {
    const auto& ip = wire::header_at<wire::Ipv4Header>(packet);
    const std::size_t total = ip.total_length.host();
    const bool tcp = ip.protocol == wire::kProtocolTcp;
    const std::size_t at = header_length + (tcp ? 16 : 6);
    if ((!tcp && ip.protocol != wire::kProtocolUdp) || total > packet.size() || at + 2 > total) return;
    const auto bytes = packet.subspan(header_length, total - header_length);
    wire::header_at<wire::be16>(packet, at) = {};
    wire::header_at<wire::be16>(packet, at) = wire::internet_checksum(
        bytes,
        wire::pseudo_header_sum(ip.source, ip.destination, ip.protocol, static_cast<std::uint16_t>(bytes.size())));
}

void repair(wire::MutableBytes frame, std::uint8_t repairs) {
    if (frame.size() < sizeof(wire::EthernetHeader)) return;
    auto& ethernet = wire::header_at<wire::EthernetHeader>(frame);
    if ((repairs & kToLb) != 0) ethernet.destination = (repairs & kSecondArm) != 0 ? kLbServerSideMac : kLbMac;
    const auto view = wire::parse_ethernet(frame);
    if (!view || view->ether_type != wire::kEtherTypeIpv4 || view->payload.size() < sizeof(wire::Ipv4Header)) return;
    const wire::MutableBytes packet = frame.subspan(frame.size() - view->payload.size());
    auto& ip = wire::header_at<wire::Ipv4Header>(packet);
    const std::size_t header_length = ip.header_length();
    if ((repairs & kToVip) != 0) ip.destination = kVip;
    if (header_length < sizeof ip || header_length > packet.size()) return;
    if ((repairs & kTransport) != 0) repair_transport(packet, header_length);
    if ((repairs & kChecksum) == 0) return;
    ip.checksum = {};
    ip.checksum = wire::internet_checksum(packet.first(header_length));
}

bool is_fragment(wire::Bytes frame) {
    const auto view = wire::parse_ethernet(frame);
    return view && view->ether_type == wire::kEtherTypeIpv4 && view->payload.size() >= sizeof(wire::Ipv4Header) &&
           wire::header_at<wire::Ipv4Header>(view->payload).is_fragment();
}

void require_none(const std::string& fault) {
    if (fault.empty()) return;
    std::fprintf(stderr, "fault: %s\n", fault.c_str());
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    static const auto frame = std::make_unique<Frame>();
    // Made once, for it is large. But for its counters it starts anew, so that an input behaves the same every time.
    static Core core(two_server_config(), one_arm(), both_servers(), kRouter);
    static bool fragments_used = true;
    if (fragments_used) core.state.fragments = Fragments(600);
    fragments_used = false;
    core.state.new_flows = core.state.icmp_errors = {};
    core.state.datagrams = 0;
    core.active = true;
    Setup setup = setup_of(data[0], data[1]);
    core.rebuild(setup.config, setup.interfaces, setup.neighbors);
    Judge judge(core);
    FlowTime now = 0;
    wire::Bytes input(data + 2, size - 2);
    const auto next_byte = [&input] {
        const std::uint8_t byte = input.empty() ? std::uint8_t{0} : input[0];
        input = input.subspan(input.empty() ? 0 : 1);
        return byte;
    };
    while (!input.empty()) {
        const std::uint8_t repairs = next_byte();
        if ((repairs & kStep) != 0) take_step(next_byte(), setup, core, now);
        const std::size_t high = next_byte();
        const std::size_t length = std::min(high * 256 + next_byte(), input.size());
        std::ranges::copy(input.first(length), frame->buffer.begin());
        frame->length = length;
        input = input.subspan(length);
        repair(frame->bytes(), repairs);
        const bool second = (repairs & kSecondArm) != 0 && setup.interfaces.size() > 1;
        fragments_used |= is_fragment(frame->bytes());
        require_none(judge.run(*frame, now, second ? 1 : 0));
    }
    require_none(judge.finish(now));
    // Later than any flow lasts: all are forgotten.
    core.state.flows.sweep(core.state.flows.bucket_count(), static_cast<FlowTime>(now + 30000));
    require_none(core.state.flows.count(now) == 0 ? "" : "a flow outlived its timeout");
    return 0;
}
