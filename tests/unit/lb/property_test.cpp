// Random packets by random tables; oracle.hpp judges what becomes of each.
#include <catch2/catch.hpp>
#include <random>

#include "tests/unit/lb/oracle.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

const wire::MacAddress kRouterMac = mac("02:00:00:00:01:01");
const wire::Ipv4Address kRouter = ip("10.0.0.1");

class Chance {
public:
    explicit Chance(std::uint32_t seed) : engine_(seed) {}
    std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(engine_() % limit); }
    bool one_in(std::uint32_t count) { return below(count) == 0; }
    template <typename T>
    T of(std::initializer_list<T> values) {
        return values.begin()[below(static_cast<std::uint32_t>(values.size()))];
    }
    Octets bytes(std::size_t count) {
        Octets result(count);
        for (auto& byte : result)
            byte = static_cast<std::uint8_t>(engine_());
        return result;
    }

private:
    std::mt19937 engine_;
};

std::vector<Interface> random_interfaces(Chance& chance) {
    auto interfaces = chance.one_in(2) ? one_arm() : two_arms();
    for (auto& interface : interfaces) {
        interface.mtu = chance.of({576U, 1280U, 1400U, 1500U, 1500U, 1501U, 9000U});
        interface.software_offloads = chance.one_in(2);
    }
    return interfaces;
}

config::Config random_config(Chance& chance) {
    auto config = two_server_config();
    config.load_balancer.new_flows_per_second = chance.of({0U, 3U, 1000U});
    for (auto& profile : config.network_profiles) {
        if (chance.one_in(2)) profile.dsr_type = config::DsrType::l3;
        if (chance.one_in(3)) profile.outer_source = wire::Ipv4Prefix{ip("192.168.77.0"), 29};
    }
    config.network_profiles[1].per_packet = chance.one_in(3);
    const bool far = config.network_profiles[0].dsr_type == config::DsrType::l3 &&
                     config.network_profiles[1].dsr_type == config::DsrType::l3 && chance.one_in(2);
    for (auto& server : config.pools[0].servers) {
        server.state = chance.of({config::ServerState::enabled, config::ServerState::enabled,
                                  config::ServerState::draining, config::ServerState::disabled});
        if (far) server.address = wire::Ipv4Address::from_host(server.address.host() + 0x01000000U);
    }
    const auto echo = chance.of({config::IcmpEcho::answer, config::IcmpEcho::forward});
    for (auto& service : config.virtual_services)
        service.icmp_echo = echo;
    return config;
}

void add_icmp(Chance& chance, wire::FrameBuilder& builder, const Octets& payload) {
    if (chance.one_in(2)) {
        builder.icmp({.type = 8, .code = 0, .rest_high = static_cast<std::uint16_t>(chance.below(20))})
            .payload(payload);
        return;
    }
    auto quoted = frame_of([&](wire::FrameBuilder& inner) {
        inner.ipv4({.source = kVip, .destination = kClient})
            .udp(53, static_cast<std::uint16_t>(chance.below(50)))
            .payload(payload);
    });
    builder.icmp({.type = chance.of<std::uint8_t>({3, 11, 12, 5}), .code = 4})
        .payload(wire::Bytes(ip_packet(quoted->bytes())).first(28));
}

// A datagram from the client to the VIP, whole or a fragment, sometimes damaged.
void fill(Chance& chance, Frame& frame, std::uint8_t ingress) {
    const std::array<std::uint8_t, 8> options{0x44, 4, 5, 0, 0x94, 4, 0, 0};
    wire::Ipv4Fields fields{.source = kClient,
                            .destination = kVip,
                            .ttl = static_cast<std::uint8_t>(1 + chance.below(255)),
                            .tos = static_cast<std::uint8_t>(chance.below(256)),
                            .id = static_cast<std::uint16_t>(chance.below(8)),
                            .dont_fragment = chance.one_in(2)};
    if (chance.one_in(8)) fields.options = options;
    const bool fragment = chance.one_in(3);
    std::size_t size = chance.of({0U, 1U, 100U, 1200U, 1430U, 1460U, 1472U, 3000U, 8900U, 20000U});
    size += chance.below(20);
    if (fragment) {
        fields.more_fragments = !chance.one_in(3);
        fields.fragment_offset = static_cast<std::uint16_t>(chance.of({0U, 0U, 8U, 1480U, 65520U, 65528U}));
        fields.protocol = chance.of<std::uint8_t>({17, 17, 6, 1});
        size = size / 8 * 8;
    }
    const Octets payload = chance.bytes(size);
    wire::FrameBuilder builder(frame.buffer);
    builder.ethernet(ingress == 0 ? kLbMac : kLbServerSideMac, kClientMac);
    for (std::uint32_t tags = chance.one_in(4) ? 1 + chance.below(2) : 0; tags > 0; --tags)
        builder.vlan(static_cast<std::uint16_t>(chance.below(4096)));
    builder.ipv4(fields);
    const auto port = static_cast<std::uint16_t>(chance.below(50));
    if (fields.fragment_offset != 0)
        builder.payload(payload);
    else if (const std::uint32_t kind = chance.below(8); kind < 4)
        builder
            .tcp({.source_port = port,
                  .destination_port = chance.of<std::uint16_t>({80, 80, 8050, 81}),
                  .sequence = chance.below(0xffffffffU),
                  .flags = static_cast<std::uint8_t>(chance.of({0x10, 0x10, 0x18, 0x02, 0x11, 0x04, 0x90})),
                  .options = chance.one_in(2) ? wire::Bytes(options) : wire::Bytes()})
            .payload(payload);
    else if (kind < 7)
        builder.udp(port, 53).payload(payload);
    else
        add_icmp(chance, builder, payload);
    if (chance.one_in(4)) builder.padding(chance.below(30));
    frame.length = builder.finish().value().size();
    const std::size_t link = link_length(frame.bytes());
    const auto packet = read_ip(frame.bytes().subspan(link), true).value();
    // As a kernel leaves it for a network card.
    if (chance.one_in(4) && packet.offset() == 0 && (packet.protocol() == 6 || packet.protocol() == 17))
        wire::header_at<wire::be16>(frame.bytes(), link + packet.header.size() + (packet.protocol() == 6 ? 16 : 6)) =
            wire::be16(static_cast<std::uint16_t>(packet.pseudo_sum()));
    if (chance.one_in(10))
        frame.bytes()[chance.below(static_cast<std::uint32_t>(std::min<std::size_t>(frame.length, 80)))] =
            static_cast<std::uint8_t>(chance.below(256));
}

}  // namespace

TEST_CASE(
    "random packets by random tables: inner bytes stay, headers are right, pieces make the whole, all are counted") {
    const auto frame = std::make_unique<Frame>();
    std::array<std::uint64_t, 3> verdicts{};
    std::array<std::uint64_t, 3> cuts{};
    std::array<std::uint64_t, kDropCount> dropped{};
    std::array<std::uint64_t, kAnswerCount> answers{};
    for (std::uint32_t seed = 1; seed <= 150; ++seed) {
        Chance chance(seed);
        const auto interfaces = random_interfaces(chance);
        NeighborMacs neighbors{{kRouter, kRouterMac}, {kServer1, kServer1Mac}};
        if (!chance.one_in(4)) neighbors.emplace(kServer2, kServer2Mac);
        Core core(random_config(chance), interfaces, neighbors, kRouter);
        Judge judge(core);
        FlowTime now = static_cast<FlowTime>(chance.below(65536));
        for (int round = 0; round < 200; ++round) {
            const auto ingress = static_cast<std::uint8_t>(chance.below(static_cast<std::uint32_t>(interfaces.size())));
            fill(chance, *frame, ingress);
            INFO("seed " << seed << ", round " << round);
            REQUIRE(judge.run(*frame, now, ingress) == "");
            if (chance.one_in(30)) now = static_cast<FlowTime>(now + chance.of({1U, 2U, 60U, 20000U}));
        }
        INFO("seed " << seed);
        REQUIRE(judge.finish(now) == "");
        for (std::size_t i = 0; i < verdicts.size(); ++i)
            verdicts[i] += core.counters.verdicts[i].get();
        for (std::size_t i = 0; i < cuts.size(); ++i)
            cuts[i] += judge.forwarded()[i];
        for (std::size_t i = 0; i < kDropCount; ++i)
            dropped[i] += core.counters.dropped[i].get();
        for (std::size_t i = 0; i < kAnswerCount; ++i)
            answers[i] += core.counters.answers[i].get();
    }
    // It has seen what it is for.
    CHECK(verdicts[0] > 8000);
    for (const std::uint64_t count : cuts)
        CHECK(count > 200);
    for (const Answer answer : {Answer::icmp_echo, Answer::fragmentation_needed})
        CHECK(answers[static_cast<std::size_t>(answer)] > 50);
    for (const Drop reason : {Drop::not_served, Drop::fragment_expired, Drop::icmp_unknown_flow, Drop::no_server,
                              Drop::no_neighbor, Drop::udp_super_frame, Drop::exceeds_mtu}) {
        INFO(name(reason));
        CHECK(dropped[static_cast<std::size_t>(reason)] > 10);
    }
}
