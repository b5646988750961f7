#include "lb/dataplane/fragments.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

// A fragment of a UDP datagram from the client to the VIP.
std::unique_ptr<Frame> fragment(std::uint16_t id, std::uint16_t offset, bool more, std::size_t size = 800,
                                wire::Ipv4Address source = kClient, std::uint8_t protocol = 17) {
    return frame_of([&](wire::FrameBuilder& builder) {
        builder.ipv4({.source = source,
                      .destination = kVip,
                      .id = id,
                      .dont_fragment = false,
                      .more_fragments = more,
                      .fragment_offset = offset,
                      .protocol = protocol});
        std::vector<std::uint8_t> bytes(size, static_cast<std::uint8_t>(offset / 8));
        // A UDP header for port 53 where it is a first one.
        const std::array<std::uint8_t, 8> header{0x9c, 0x40, 0, 53, 0xff, 0xff, 0, 0};
        if (offset == 0) std::ranges::copy(header, bytes.begin());
        builder.payload(bytes);
    });
}

std::unique_ptr<Frame> datagram(std::uint16_t port, std::size_t payload) {
    auto frame = udp_frame(port, payload);
    clear_dont_fragment(*frame);
    return frame;
}

}  // namespace

TEST_CASE("all fragments of a datagram go to the server of the first one, which goes by its ports") {
    for (std::uint16_t port = 1; port <= 40; ++port) {
        Core core;
        auto alone = udp_frame(port);
        const ServerId expected = core.run(*alone).server;
        auto whole = datagram(port, 4000);
        for (auto& part : fragments_of(*whole, 1000, port)) {
            const auto before = ip_packet(part->bytes());
            const Packet packet = core.run(*part);
            REQUIRE(packet.verdict == Verdict::forwarded);
            REQUIRE(packet.server == expected);
            REQUIRE(ip_packet(packet.bytes()) == before);
        }
        CHECK(core.state.fragments.held() == 0);
    }
}

TEST_CASE("fragments that come before their first one are held and come in again after it, in order, unchanged") {
    for (const bool layer3 : {false, true}) {
        Core core(layer3 ? layer3_config() : two_server_config());
        auto whole = datagram(1, 4000);
        auto parts = fragments_of(*whole, 1000);
        REQUIRE(parts.size() == 5);
        for (const std::size_t i : {4U, 2U, 1U, 3U}) {
            const auto before = ip_packet(parts[i]->bytes());
            CHECK(core.run(*parts[i]).verdict == Verdict::held);
            CHECK(ip_packet(parts[i]->bytes()) == before);
        }
        CHECK(core.state.fragments.held() == 4);
        CHECK(core.counters.received.get() == 0);
        CHECK(core.release().empty());

        const Packet first = core.run(*parts[0]);
        REQUIRE(first.verdict == Verdict::forwarded);
        CHECK(core.state.fragments.any_to_take(0));
        const auto released = core.release();
        REQUIRE(released.size() == 4);
        std::size_t next = 0;
        for (const std::size_t i : {4U, 2U, 1U, 3U}) {
            const Packet& packet = released[next++];
            CHECK(packet.verdict == Verdict::forwarded);
            CHECK(packet.server == first.server);
            const auto expected = ip_packet(parts[i]->bytes());
            CHECK(std::equal(expected.begin(), expected.end(), packet.data + 14 + packet.outer_length,
                             packet.data + packet.length));
        }
        CHECK(core.release().empty());
        CHECK(core.state.fragments.held() == 0);
        CHECK(core.counters.received.get() == 5);
        CHECK(core.conserved());
    }
}

TEST_CASE("source, destination, identification and protocol make a datagram: a fragment follows no other's first one") {
    auto config = two_server_config();
    config.virtual_services.push_back({"other", ip("10.0.0.101"), {{53, 53}}, 1, 0});
    Core core(config);
    REQUIRE(core.run(*fragment(7, 0, true)).verdict == Verdict::forwarded);
    CHECK(core.run(*fragment(8, 800, true)).verdict == Verdict::held);
    CHECK(core.run(*fragment(7, 800, true, 800, ip("10.0.0.51"))).verdict == Verdict::held);
    CHECK(core.run(*fragment(7, 800, true, 800, kClient, 6)).verdict == Verdict::held);
    auto other_vip = fragment(7, 800, true);
    ip_of(*other_vip).destination = ip("10.0.0.101");
    repair_checksum(*other_vip);
    CHECK(core.run(*other_vip).verdict == Verdict::held);
    CHECK(core.run(*fragment(7, 800, true)).verdict == Verdict::forwarded);
}

TEST_CASE("a held fragment waits longer than one second and less than three, then it is dropped as fragment_expired") {
    Core core;
    REQUIRE(core.run(*fragment(7, 800, true), 100).verdict == Verdict::held);
    CHECK_FALSE(core.state.fragments.any_to_take(101));
    CHECK(core.release(101).empty());
    CHECK(core.state.fragments.any_to_take(102));
    const auto released = core.release(102);
    REQUIRE(released.size() == 1);
    CHECK(released[0].verdict == Verdict::dropped);
    CHECK(released[0].reason == Drop::fragment_expired);
    CHECK(core.dropped(Drop::fragment_expired) == 1);
    CHECK(core.state.fragments.held() == 0);
    // Its first one is too late: nothing comes out.
    core.run(*fragment(7, 0, true), 102);
    CHECK(core.release(102).empty());
    CHECK(core.conserved());
}

TEST_CASE("fragments expire one after the other, each in its own time, also when the clock wraps around") {
    Core core;
    core.run(*fragment(1, 800, true), 65534);
    core.run(*fragment(2, 800, true), 65535);
    core.run(*fragment(3, 800, true), 0);
    CHECK(core.release(65535).empty());
    CHECK(core.release(0).size() == 1);
    CHECK(core.release(0).empty());
    CHECK(core.release(1).size() == 1);
    CHECK(core.release(2).size() == 1);
    CHECK(core.dropped(Drop::fragment_expired) == 3);
}

TEST_CASE("when the room is taken, the fragment that has waited longest is dropped as fragment_overflow") {
    Core core;
    const std::size_t capacity = core.state.fragments.capacity();
    REQUIRE(capacity == 256);
    for (std::size_t id = 0; id < capacity + 3; ++id)
        REQUIRE(core.run(*fragment(static_cast<std::uint16_t>(id), 800, true)).verdict == Verdict::held);
    CHECK(core.state.fragments.held() == capacity);
    CHECK(core.state.fragments.any_to_take(0));
    const auto dropped = core.release();
    CHECK(dropped.size() == 3);
    for (const Packet& packet : dropped) {
        CHECK(packet.verdict == Verdict::dropped);
        CHECK(packet.reason == Drop::fragment_overflow);
    }
    CHECK(core.dropped(Drop::fragment_overflow) == 3);
    // The three oldest are gone, the fourth is still there.
    for (const auto gone : std::initializer_list<std::uint16_t>{0, 1, 2}) {
        core.run(*fragment(gone, 0, true));
        CHECK(core.release().empty());
    }
    core.run(*fragment(3, 0, true));
    CHECK(core.release().size() == 1);
    CHECK(core.conserved());
}

TEST_CASE("memory for waiting fragments is bounded whatever the MTU, and at least 16 find room") {
    CHECK(Fragments(1522).capacity() == 256);
    CHECK(Fragments(65557).capacity() * 65557 <= std::size_t{8} << 20U);
    CHECK(Fragments(65557).capacity() >= 16);
    CHECK(Fragments(std::size_t{1} << 20U).capacity() == 16);
}

TEST_CASE(
    "a fragment larger than any frame of the interfaces is not kept: fragment_overflow, and none is lost for it") {
    Core core;
    REQUIRE(core.run(*fragment(1, 800, true)).verdict == Verdict::held);
    const Packet packet = core.run(*fragment(2, 800, true, 2000));
    CHECK(packet.verdict == Verdict::dropped);
    CHECK(packet.reason == Drop::fragment_overflow);
    CHECK(core.state.fragments.held() == 1);
}

TEST_CASE(
    "a datagram whose fragments have all gone by is forgotten: the next one with its identification waits again") {
    Core core;
    REQUIRE(core.run(*fragment(7, 0, true)).verdict == Verdict::forwarded);
    REQUIRE(core.run(*fragment(7, 800, true)).verdict == Verdict::forwarded);
    REQUIRE(core.run(*fragment(7, 1600, false)).verdict == Verdict::forwarded);
    CHECK(core.run(*fragment(7, 800, true)).verdict == Verdict::held);
}

TEST_CASE("a duplicate fragment does not make up for one that is still on its way") {
    Core core;
    for (const auto offset : std::initializer_list<std::uint16_t>{0, 2400, 800, 800, 800, 1600}) {
        INFO("offset " << offset);
        CHECK(core.run(*fragment(7, offset, offset != 2400)).verdict == Verdict::forwarded);
    }
}

TEST_CASE("a decision is followed for some seconds only, however long the worker runs") {
    for (const unsigned later : {5U, 6U, 100U, 0x8000U, 40000U, 65535U}) {
        Core core;
        REQUIRE(core.run(*fragment(7, 0, true), 10).verdict == Verdict::forwarded);
        INFO(later << " s later");
        CHECK(core.run(*fragment(7, 800, true), static_cast<FlowTime>(10 + later)).verdict == Verdict::held);
    }
    Core core;
    REQUIRE(core.run(*fragment(7, 0, true), 10).verdict == Verdict::forwarded);
    CHECK(core.run(*fragment(7, 800, true), 14).verdict == Verdict::forwarded);
}

TEST_CASE("of more datagrams than there is room for, the newest are known: old ones make room, not new ones") {
    for (const auto later : std::initializer_list<FlowTime>{1, 3, 40000}) {
        Core core;
        for (std::uint32_t client = 0; client < 20000; ++client)
            core.run(*fragment(7, 0, true, 800, wire::Ipv4Address::from_host(0x0b000000U + client)), 0);
        int followed = 0;
        for (std::uint32_t client = 0; client < 100; ++client) {
            const auto source = wire::Ipv4Address::from_host(0x0c000000U + client);
            core.run(*fragment(7, 0, true, 800, source), later);
        }
        for (std::uint32_t client = 0; client < 100; ++client) {
            const auto source = wire::Ipv4Address::from_host(0x0c000000U + client);
            followed += core.run(*fragment(7, 800, true, 800, source), later).verdict == Verdict::forwarded ? 1 : 0;
        }
        INFO(later << " s later");
        CHECK(followed == 100);
    }
}

TEST_CASE("the fragments of a datagram whose server is gone are dropped: another has no use for them") {
    Core core;
    const Packet first = core.run(*fragment(7, 0, true));
    auto config = two_server_config();
    for (auto& server : config.pools[0].servers)
        if (server.address == core.server_of(first)) server.state = config::ServerState::disabled;
    core.rebuild(config);
    CHECK(core.run(*fragment(7, 800, true)).reason == Drop::no_server);
    SECTION("a draining one still gets them") {
        Core other;
        const Packet again = other.run(*fragment(7, 0, true));
        auto draining = two_server_config();
        for (auto& server : draining.pools[0].servers)
            if (server.address == other.server_of(again)) server.state = config::ServerState::draining;
        other.rebuild(draining);
        CHECK(other.run(*fragment(7, 800, true)).server == again.server);
    }
}

TEST_CASE("a fragment of a Layer 3 service that a reload has removed does not leave without its tunnel") {
    auto config = layer3_config();
    config.virtual_services.push_back({"more", kVip, {{54, 54}}, 1, 0});
    Core core(config);
    REQUIRE(core.run(*fragment(7, 0, true)).verdict == Verdict::forwarded);
    config.virtual_services.erase(config.virtual_services.begin() + 1);
    core.rebuild(config);
    const Packet packet = core.run(*fragment(7, 800, true));
    CHECK(packet.verdict == Verdict::dropped);
    CHECK(packet.reason == Drop::no_server);
}

TEST_CASE("a first fragment that no server takes takes the others with it, by the same name") {
    auto config = two_server_config();
    for (auto& server : config.pools[0].servers)
        server.state = config::ServerState::disabled;
    Core core(config);
    REQUIRE(core.run(*fragment(7, 800, true)).verdict == Verdict::held);
    CHECK(core.run(*fragment(7, 0, true)).reason == Drop::no_server);
    CHECK(core.run(*fragment(7, 1600, true)).reason == Drop::no_server);
    const auto released = core.release();
    REQUIRE(released.size() == 1);
    CHECK(released[0].reason == Drop::no_server);
}

TEST_CASE("later fragments for a VIP without services of their protocol are not_served, and nothing waits") {
    auto config = two_server_config();
    config.virtual_services.pop_back();
    Core core(config);
    CHECK(core.run(*fragment(7, 800, true)).reason == Drop::not_served);
    CHECK(core.run(*fragment(7, 800, true, 800, kClient, 47)).reason == Drop::not_served);
    CHECK(core.run(*fragment(7, 800, true, 800, kClient, 1)).reason == Drop::fragment);
    CHECK(core.state.fragments.held() == 0);
}

TEST_CASE("the fragments of a datagram of a per-packet service stay together") {
    auto config = two_server_config();
    config.network_profiles[1].per_packet = true;
    Core core(config);
    std::set<ServerId> servers;
    for (std::uint16_t id = 1; id <= 50; ++id) {
        const Packet first = core.run(*fragment(id, 0, true));
        REQUIRE(core.run(*fragment(id, 800, true)).server == first.server);
        servers.insert(first.server);
    }
    CHECK(servers.size() == 2);
}

TEST_CASE("a first fragment without a whole header is dropped, and those that follow it expire") {
    Core core;
    auto tiny = frame_of([](wire::FrameBuilder& builder) {
        builder
            .ipv4({.source = kClient,
                   .destination = kVip,
                   .id = 7,
                   .dont_fragment = false,
                   .more_fragments = true,
                   .protocol = 6})
            .payload(std::array<std::uint8_t, 16>{0, 1, 0, 80});
    });
    CHECK(core.run(*tiny).reason == Drop::tcp_truncated);
    CHECK(core.run(*fragment(7, 16, false, 800, kClient, 6)).verdict == Verdict::held);
    core.release(2);
    CHECK(core.dropped(Drop::fragment_expired) == 1);
}

TEST_CASE("a fragment that reaches beyond 65535 bytes is not cut into pieces with other offsets") {
    auto interfaces = two_arms();
    interfaces[1].mtu = 576;
    Core core(two_server_config(), interfaces);
    REQUIRE(core.run(*fragment(7, 0, true, 400)).verdict == Verdict::forwarded);
    const Packet packet = core.run(*fragment(7, 65528, false, 1400));
    CHECK(packet.verdict == Verdict::dropped);
}
