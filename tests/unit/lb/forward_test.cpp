#include "lb/dataplane/forward.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/choose_server.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

const wire::EthernetHeader& ethernet(const Packet& packet) {
    return wire::header_at<wire::EthernetHeader>(packet.bytes());
}

std::vector<std::uint8_t> after_ethernet(const Packet& packet) {
    return {packet.data + sizeof(wire::EthernetHeader), packet.data + packet.length};
}

}  // namespace

TEST_CASE("a TCP packet for a service goes to one server with both MAC addresses rewritten and nothing else") {
    Core core;
    auto frame = tcp_frame(40000);
    const auto before = after_ethernet(frame->packet());
    const Packet packet = core.run(*frame);
    REQUIRE(packet.verdict == Verdict::forwarded);
    const auto expected = core.server_of(packet) == kServer1 ? kServer1Mac : kServer2Mac;
    CHECK(ethernet(packet).destination == expected);
    CHECK(ethernet(packet).source == kLbMac);
    CHECK(after_ethernet(packet) == before);
}

TEST_CASE("a UDP packet for a service is forwarded") {
    Core core;
    auto frame = udp_frame(40000);
    CHECK(core.run(*frame).verdict == Verdict::forwarded);
}

TEST_CASE("with two interfaces a packet leaves by the one towards the server, from that one's MAC address") {
    Core core(two_server_config(), two_arms());
    auto frame = tcp_frame(40000);
    const Packet packet = core.run(*frame, 0, 0);
    REQUIRE(packet.verdict == Verdict::forwarded);
    CHECK(packet.egress == 1);
    CHECK(ethernet(packet).source == kLbServerSideMac);
}

TEST_CASE("flows spread over both servers as the ring says") {
    Core core;
    std::set<wire::Ipv4Address> seen;
    for (std::uint16_t port = 1; port <= 100; ++port) {
        auto frame = tcp_frame(port);
        const Packet packet = core.run(*frame);
        const auto hash = ring::flow_hash({kClient, kVip, port, 80, 6});
        REQUIRE(packet.server == ring_server(core.table->services[packet.service], hash));
        seen.insert(core.server_of(packet));
    }
    CHECK(seen.size() == 2);
    CHECK(core.conserved());
}

TEST_CASE("a VLAN tag stays on the forwarded frame") {
    Core core;
    Frame frame;
    frame.length = wire::FrameBuilder(frame.buffer)
                       .ethernet(kLbMac, kClientMac)
                       .vlan(42)
                       .ipv4({.source = kClient, .destination = kVip})
                       .udp(1, 53)
                       .finish()
                       .value()
                       .size();
    const Packet packet = core.run(frame);
    REQUIRE(packet.verdict == Verdict::forwarded);
    CHECK(wire::parse_ethernet(packet.bytes())->tags == 1);
}

TEST_CASE("a packet for the VIP without a service is dropped as not_served") {
    Core core;
    auto wrong_port = tcp_frame(1, wire::kTcpSyn, 0, 81);
    auto wrong_protocol = udp_frame(1, 4, 80);
    CHECK(core.run(*wrong_port).reason == Drop::not_served);
    CHECK(core.run(*wrong_protocol).reason == Drop::not_served);
    CHECK(core.counters.dropped[static_cast<std::size_t>(Drop::not_served)].get() == 2);
}

TEST_CASE("a packet for somebody else is passed untouched") {
    Core core;
    auto frame = udp_frame(1, 4, 53, ip("10.0.0.2"));
    const std::vector<std::uint8_t> before(frame->bytes().begin(), frame->bytes().end());
    const Packet packet = core.run(*frame);
    CHECK(packet.verdict == Verdict::passed);
    CHECK(std::vector<std::uint8_t>(frame->bytes().begin(), frame->bytes().end()) == before);
}

TEST_CASE("a frame that a switch flooded to us is passed, although its packet is for the VIP") {
    Core core;
    auto frame = tcp_frame(1);
    wire::header_at<wire::EthernetHeader>(frame->bytes()).destination = kServer1Mac;
    CHECK(core.run(*frame).verdict == Verdict::passed);
}

TEST_CASE("a broken IP header checksum is dropped and counted") {
    Core core;
    auto frame = tcp_frame(1);
    frame->bytes()[14 + 8] ^= 1;  // TTL
    const Packet packet = core.run(*frame);
    CHECK(packet.verdict == Verdict::dropped);
    CHECK(name(packet.reason) == "ipv4_checksum");
}

TEST_CASE("every truncation of a packet for the VIP is dropped or passed, never forwarded") {
    const auto whole = tcp_frame(1, wire::kTcpPsh | wire::kTcpAck, 100);
    for (std::size_t length = 0; length < whole->length; ++length) {
        Core core;
        auto frame = std::make_unique<Frame>(*whole);
        frame->length = length;
        INFO("length " << length);
        const Packet packet = core.run(*frame);
        CHECK(packet.verdict == Verdict::dropped);
        CHECK(core.conserved());
    }
}

TEST_CASE("a server whose MAC address is not known gets nothing: no_neighbor") {
    Core core(two_server_config(), one_arm(), {});
    auto frame = tcp_frame(1);
    CHECK(core.run(*frame).reason == Drop::no_neighbor);
}

TEST_CASE("a pool without enabled servers gives no_server") {
    auto config = two_server_config();
    for (auto& server : config.pools[0].servers)
        server.state = config::ServerState::disabled;
    Core core(config);
    auto frame = tcp_frame(1);
    CHECK(core.run(*frame).reason == Drop::no_server);
}

TEST_CASE("a packet that its own server routed back is dropped as bounced and counted for that server") {
    Core core;
    auto first = tcp_frame(1);
    const Packet forwarded = core.run(*first);
    auto back = tcp_frame(1);
    wire::header_at<wire::EthernetHeader>(back->bytes()).source =
        core.server_of(forwarded) == kServer1 ? kServer1Mac : kServer2Mac;
    const Packet packet = core.run(*back);
    CHECK(packet.reason == Drop::bounced);
    CHECK(core.counters.members.at(forwarded.service, forwarded.server).bounced.get() == 1);
    CHECK(core.conserved());
}

TEST_CASE("a reply that crosses the load balancer is passed and counted as a return packet") {
    Core core;
    Frame frame;
    frame.length = wire::FrameBuilder(frame.buffer)
                       .ethernet(kLbMac, kServer1Mac)
                       .ipv4({.source = kVip, .destination = kClient})
                       .udp(53, 40000)
                       .finish()
                       .value()
                       .size();
    CHECK(core.run(frame).verdict == Verdict::passed);
    const ServiceId dns = core.table->service_map.find(kVip)->service(wire::kProtocolUdp, 53);
    CHECK(core.counters.services[dns].return_packets.get() == 1);
}

TEST_CASE("an established flow stays with its server while that one drains, a new connection does not") {
    Core core;
    auto syn = tcp_frame(7);
    const Packet first = core.run(*syn);
    auto config = two_server_config();
    for (auto& server : config.pools[0].servers)
        if (server.address == core.server_of(first)) server.state = config::ServerState::draining;
    core.rebuild(config);
    auto data = tcp_frame(7, wire::kTcpAck, 10);
    CHECK(core.run(*data).server == first.server);
    auto forged = tcp_frame(7);
    CHECK(core.run(*forged).server == first.server);  // a SYN proves nothing while the flow lives
    auto end = tcp_frame(7, wire::kTcpFin | wire::kTcpAck);
    CHECK(core.run(*end).server == first.server);
    auto again = tcp_frame(7);
    const Packet moved = core.run(*again);
    CHECK(moved.verdict == Verdict::forwarded);
    CHECK(moved.server != first.server);
}

TEST_CASE(
    "a flow leaves at once a server whose pool is no longer its service's, although another service still uses it") {
    auto config = two_server_config();
    config.pools.push_back({"other", {}, {}});
    config.pools[1].servers = {config.pools[0].servers.back()};
    config.pools[0].servers.pop_back();
    Core core(config);
    for (const std::uint8_t flags : {wire::kTcpSyn, wire::kTcpAck}) {
        auto frame = tcp_frame(7, flags);
        REQUIRE(core.server_of(core.run(*frame)) == kServer1);
    }
    config.virtual_services[0].pool = 1;
    core.rebuild(config);
    auto data = tcp_frame(7, wire::kTcpAck, 10);
    CHECK(core.server_of(core.run(*data)) == kServer2);
}

TEST_CASE("a disabled server's flows move to another one at once") {
    Core core;
    auto syn = tcp_frame(7);
    const Packet first = core.run(*syn);
    auto config = two_server_config();
    for (auto& server : config.pools[0].servers)
        if (server.address == core.server_of(first)) server.state = config::ServerState::disabled;
    core.rebuild(config);
    auto data = tcp_frame(7, wire::kTcpAck, 10);
    const Packet moved = core.run(*data);
    CHECK(moved.verdict == Verdict::forwarded);
    CHECK(moved.server != first.server);
}

TEST_CASE("a flow keeps its server when another one joins, until it was idle for the profile's timeout") {
    auto config = two_server_config();
    config.pools[0].servers.pop_back();
    Core core(config);
    std::uint16_t port = 1;
    // A flow that the larger ring gives to the newcomer.
    Core both;
    while (ring_server(both.table->services[1], ring::flow_hash({kClient, kVip, port, 53, 17})) != 1)
        ++port;
    auto frame = udp_frame(port);
    REQUIRE(core.server_of(core.run(*frame, 100)) == kServer1);
    core.rebuild(two_server_config());
    frame = udp_frame(port);
    CHECK(core.server_of(core.run(*frame, 110)) == kServer1);
    frame = udp_frame(port);
    CHECK(core.server_of(core.run(*frame, 121)) == kServer2);
}

TEST_CASE("an ARP request for the VIP is answered with the receiving interface's MAC address") {
    Core core;
    Frame frame;
    frame.length = wire::FrameBuilder(frame.buffer)
                       .ethernet(wire::MacAddress::broadcast(), kClientMac)
                       .arp(wire::kArpRequest, kClientMac, kClient, {}, kVip)
                       .padding(18)
                       .finish()
                       .value()
                       .size();
    const Packet packet = core.run(frame);
    REQUIRE(packet.verdict == Verdict::answered);
    const auto arp = wire::parse_arp(wire::parse_ethernet(packet.bytes())->payload).value();
    CHECK(ethernet(packet).destination == kClientMac);
    CHECK(ethernet(packet).source == kLbMac);
    CHECK(arp->operation.host() == wire::kArpReply);
    CHECK(arp->sender_mac == kLbMac);
    CHECK(arp->sender_address == kVip);
    CHECK(arp->target_mac == kClientMac);
    CHECK(arp->target_address == kClient);
}

TEST_CASE("ARP for another address is passed and shown to the neighbor monitor") {
    Core core;
    Frame frame;
    frame.length = wire::FrameBuilder(frame.buffer)
                       .ethernet(wire::MacAddress::broadcast(), kClientMac)
                       .arp(wire::kArpRequest, kClientMac, kClient, {}, ip("10.0.0.2"))
                       .finish()
                       .value()
                       .size();
    const Packet packet = core.run(frame);
    CHECK(packet.verdict == Verdict::passed);
    CHECK(packet.neighbor);
}

TEST_CASE("a TCP super-frame is marked for segments that fit the egress MTU; a UDP one is dropped") {
    Core core;
    auto tcp = tcp_frame(1, wire::kTcpAck, 20000);
    const Packet packet = core.run(*tcp);
    CHECK(packet.verdict == Verdict::forwarded);
    CHECK(packet.cut == Cut::segments);
    CHECK(packet.piece_payload == 1460);
    auto udp = udp_frame(1, 3000);
    auto& checksum = wire::header_at<wire::UdpHeader>(udp->bytes(), 34).checksum;
    // Unfinished, the first datagram's, or none: nobody can tell where the first one ends.
    const std::uint16_t pseudo = wire::checksum_fold(wire::pseudo_header_sum(kClient, kVip, wire::kProtocolUdp, 3008));
    for (const auto value :
         {wire::be16(static_cast<std::uint16_t>(pseudo >> 8U | pseudo << 8U)), wire::be16(0x1234), wire::be16(0)}) {
        checksum = value;
        CHECK(core.run(*udp).reason == Drop::udp_super_frame);
    }
}

TEST_CASE(
    "a datagram larger than the ingress MTU whose checksum is right was fragments before, and becomes them again") {
    for (const bool layer3 : {false, true}) {
        Core core(layer3 ? layer3_config() : two_server_config());
        auto udp = udp_frame(1, 3000);
        clear_dont_fragment(*udp);
        const Packet packet = core.run(*udp);
        CHECK(packet.verdict == Verdict::forwarded);
        CHECK(packet.cut == Cut::fragments);
        CHECK(packet.piece_payload == (layer3 ? 1456 : 1480));
        CHECK(core.run(*udp_frame(1, 3000)).answer == Answer::fragmentation_needed);  // DF, by default
    }
}

TEST_CASE("a datagram too large for the egress interface, but not for the ingress one, is answered by ICMP") {
    auto interfaces = two_arms();
    interfaces[0].mtu = 9000;
    Core core(two_server_config(), interfaces);
    auto frame = udp_frame(1, 3000);
    const Packet packet = core.run(*frame);
    CHECK(packet.verdict == Verdict::answered);
    CHECK(packet.answer == Answer::fragmentation_needed);
}

TEST_CASE("of randomly damaged packets, those forwarded differ from what came in by their MAC addresses only") {
    std::mt19937 random(20261124);
    Core core;
    int forwarded = 0;
    for (int round = 0; round < 20000; ++round) {
        const auto port = static_cast<std::uint16_t>(random());
        auto frame = round % 2 == 0 ? tcp_frame(port) : udp_frame(port);
        frame->bytes()[random() % frame->length] = static_cast<std::uint8_t>(random());
        const auto before = after_ethernet(frame->packet());
        const Packet packet = core.run(*frame);
        if (packet.verdict != Verdict::forwarded) continue;
        ++forwarded;
        REQUIRE(after_ethernet(packet) == before);
        REQUIRE(ethernet(packet).destination == core.table->servers[packet.server].macs.destination);
        REQUIRE(ethernet(packet).source == kLbMac);
    }
    CHECK(forwarded > 1000);
}

TEST_CASE("a balancer that is not active answers no ARP for its VIPs") {
    Core core;
    core.active = false;
    core.rebuild(two_server_config());
    Frame frame;
    frame.length = wire::FrameBuilder(frame.buffer)
                       .ethernet(wire::MacAddress::broadcast(), kClientMac)
                       .arp(wire::kArpRequest, kClientMac, kClient, {}, kVip)
                       .finish()
                       .value()
                       .size();
    CHECK(core.run(frame).verdict == Verdict::passed);
}

TEST_CASE("nothing is learned from ARP in a VLAN: the same addresses may mean other hosts there") {
    Core core;
    Frame frame;
    frame.length = wire::FrameBuilder(frame.buffer)
                       .ethernet(wire::MacAddress::broadcast(), kClientMac)
                       .vlan(7)
                       .arp(wire::kArpRequest, kClientMac, kServer1, {}, kServer1)
                       .finish()
                       .value()
                       .size();
    CHECK_FALSE(core.run(frame).neighbor);
}

TEST_CASE("a super-frame with a right checksum is cut, one with a wrong checksum is not made right but dropped") {
    Core core;
    auto right = tcp_frame(1, wire::kTcpAck, 20000);
    CHECK(core.run(*right).verdict == Verdict::forwarded);
    auto wrong = tcp_frame(1, wire::kTcpAck, 20000);
    wrong->bytes()[5000] ^= 1;
    CHECK(core.run(*wrong).reason == Drop::tcp_checksum);
}

TEST_CASE("an ICMP message from the VIP is no return packet of a UDP service") {
    auto config = two_server_config();
    config.virtual_services[1].ports = {{0x0303, 0x0303}};
    Core core(config);
    Frame frame;
    frame.length = wire::FrameBuilder(frame.buffer)
                       .ethernet(kLbMac, kServer1Mac)
                       .ipv4({.source = kVip, .destination = kClient})
                       .icmp({.type = 3, .code = 3})
                       .finish()
                       .value()
                       .size();
    core.run(frame);
    CHECK(core.counters.services[1].return_packets.get() == 0);
}
