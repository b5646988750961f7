// Filters in the path of real traffic.
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/wire/build.hpp"
#include "common/wire/checksum.hpp"
#include "network.hpp"
#include "serverprep/kernel/bpf_filters.hpp"

namespace dsr::test {
namespace {

using serverprep::Filter;
using serverprep::FilterRole;

Filter decapsulation(const char* link = "s0") {
    Filter filter;
    filter.link = link;
    filter.vips = {address("10.9.9.9")};
    filter.addresses = {address("10.9.0.2")};
    filter.sources = {{address("10.9.0.0"), 24}};
    return filter;
}

Filter clamp(std::uint16_t mss, const char* link = "s0") {
    Filter filter;
    filter.role = FilterRole::clamp_mss;
    filter.link = link;
    filter.vips = {address("10.9.9.9")};
    filter.mss = mss;
    return filter;
}

void install(const Filter& filter) {
    const auto done = serverprep::install_filter(filter);
    INFO((done ? std::string() : done.error().message));
    REQUIRE(done);
}

std::map<std::string, std::uint64_t> counters() {
    const auto all = serverprep::filter_counters();
    REQUIRE(all);
    REQUIRE(all->size() == 1);
    return all->front().values;
}

sockaddr_in vip_port_80() {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(80);
    REQUIRE(::inet_pton(AF_INET, "10.9.9.9", &made.sin_addr) == 1);
    return made;
}

sys::UniqueFd tcp_socket() {
    sys::UniqueFd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{2, 0};
    REQUIRE(::setsockopt(made.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0);
    REQUIRE(::setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    return made;
}

sys::UniqueFd listener() {
    sys::UniqueFd made = tcp_socket();
    const sockaddr_in at = vip_port_80();
    REQUIRE(::bind(made.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    REQUIRE(::listen(made.get(), 4) == 0);
    return made;
}

// Connects from the client and sends a megabyte: the size of its segments as the client sees it, in full.
unsigned segment_size(const Pair& pair) {
    sys::UniqueFd listening, client;
    const sockaddr_in to = vip_port_80();
    {
        const Namespace::Inside inside(pair.server);
        listening = listener();
    }
    {
        const Namespace::Inside inside(pair.client);
        client = tcp_socket();
        REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    }
    const sys::UniqueFd accepted(::accept(listening.get(), nullptr, nullptr));
    REQUIRE(accepted.valid());
    constexpr std::size_t kSize = 1 << 20;
    std::thread sender([&] {
        const std::string data(kSize, 'x');
        (void)::send(client.get(), data.data(), data.size(), MSG_NOSIGNAL);
        (void)::shutdown(client.get(), SHUT_WR);
    });
    std::size_t received = 0;
    std::string piece(65536, '\0');
    for (ssize_t size = 0; (size = ::recv(accepted.get(), piece.data(), piece.size(), 0)) > 0;)
        received += static_cast<std::size_t>(size);
    sender.join();
    CHECK(received == kSize);
    tcp_info info{};
    socklen_t size = sizeof info;
    REQUIRE(::getsockopt(client.get(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
    return info.tcpi_snd_mss + ((info.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0 ? 12U : 0U);
}

std::string syn_to_vip() {
    std::array<std::uint8_t, 200> buffer{};
    constexpr std::array<std::uint8_t, 4> kMss1460{2, 4, 0x05, 0xb4};
    const auto frame = wire::FrameBuilder(buffer)
                           .ethernet({}, {})
                           .ipv4({.source = address("10.9.0.1"), .destination = address("10.9.9.9")})
                           .tcp({.source_port = 4000,
                                 .destination_port = 80,
                                 .sequence = 1,
                                 .flags = wire::kTcpSyn,
                                 .options = kMss1460})
                           .finish();
    REQUIRE(frame);
    return {frame->begin() + sizeof(wire::EthernetHeader), frame->end()};
}

}  // namespace

TEST_CASE("traffic: a tunnelled request reaches the VIP's socket, one for another address does not") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    install(decapsulation());
    const UdpReceiver vip("10.9.9.9", 7000), own("10.9.0.2", 7000);
    {
        const Namespace::Inside other(pair.client);
        const IpipSender sender;
        sender.send(udp_packet("10.9.0.2", "for its own address"));
        sender.send(udp_packet("10.9.9.9", "for the VIP"));
    }
    CHECK(vip.next() == "for the VIP");
    CHECK(own.is_empty());
    CHECK(counters().at("decapsulated") == 1);
    CHECK(counters().at("not_a_vip") == 1);
}

TEST_CASE("traffic: replacing a filter under traffic loses no packet and no count") {
    const Pair pair;
    const Namespace::Inside inside(pair.server);
    install(decapsulation());
    const UdpReceiver receiver("10.9.9.9", 7000);
    constexpr int kLeast = 2000;
    std::atomic<bool> replaced = false;
    std::atomic<int> sent = 0;
    std::thread sender([&] {
        const Namespace::Inside other(pair.client);
        const IpipSender out;
        while (sent < kLeast || !replaced)
            out.send(udp_packet("10.9.9.9", std::to_string(sent++)));
    });
    for (int times = 0; times < 40; ++times) {
        Filter next = decapsulation();
        next.vips.insert(wire::Ipv4Address::from_host(0xcb007100U + static_cast<std::uint32_t>(times)));
        const auto done = serverprep::install_filter(next);
        if (!done) FAIL_CHECK(done.error().message);
    }
    replaced = true;
    sender.join();
    int in_order = 0;
    while (in_order < sent && receiver.next() == std::to_string(in_order))
        ++in_order;
    CHECK(in_order == sent);
    CHECK(counters().at("decapsulated") == static_cast<std::uint64_t>(sent));
}

TEST_CASE("traffic: TCP through a clamp sends segments of that size, whoever finishes the checksums") {
    for (const char* offload : {"on", "off"}) {
        CAPTURE(offload);
        const Pair pair;
        const Namespace::Inside inside(pair.server);
        run(std::string("ethtool -K s0 tx ") + offload + " >/dev/null");
        CHECK(segment_size(pair) == 1460);
        install(clamp(1200));
        CHECK(segment_size(pair) == 1200);
        CHECK(counters() == std::map<std::string, std::uint64_t>{{"clamped", 1}, {"seen", 1}});
        install(clamp(1460));
        CHECK(segment_size(pair) == 1460);
        CHECK(counters() == std::map<std::string, std::uint64_t>{{"clamped", 1}, {"seen", 2}});
    }
}

TEST_CASE("traffic: on a link without link header, decapsulation reaches the VIP") {
    const Namespace space;
    const Namespace::Inside inside(space);
    run("ip address add 10.9.9.9/32 dev lo");
    const Tun tun;
    run("tc qdisc add dev t0 clsact");
    install(decapsulation("t0"));
    const UdpReceiver receiver("10.9.9.9", 7000);
    tun.write(ipip_packet(udp_packet("10.9.9.9", "by tun")));
    CHECK(receiver.next() == "by tun");
}

TEST_CASE("traffic: on a link without link header, a SYN-ACK is clamped and its checksum right") {
    const Namespace space;
    const Namespace::Inside inside(space);
    run("ip address add 10.9.9.9/32 dev lo");
    const Tun tun;
    run("tc qdisc add dev t0 clsact");
    install(clamp(1200, "t0"));
    const sys::UniqueFd listening = listener();
    tun.write(syn_to_vip());
    const std::string answer = tun.read();
    REQUIRE(answer.size() >= 44);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(answer.data());
    const auto length = static_cast<std::uint16_t>(answer.size() - 20);
    CHECK(bytes[33] == (wire::kTcpSyn | wire::kTcpAck));
    CHECK(bytes[40] == 2);
    CHECK((bytes[42] << 8 | bytes[43]) == 1200);
    const auto pseudo = wire::pseudo_header_sum(address("10.9.9.9"), address("10.9.0.1"), wire::kProtocolTcp, length);
    CHECK(wire::internet_checksum({bytes + 20, length}, pseudo).host() == 0);
}

TEST_CASE("traffic: behind a guard only what is for a VIP arrives") {
    const Namespace space;
    const Namespace::Inside inside(space);
    run("ip address add 10.9.9.9/32 dev lo && ip address add 10.9.9.10/32 dev lo");
    const Tun tun;
    run("tc qdisc add dev t0 clsact");
    Filter guard = decapsulation("t0");
    guard.role = FilterRole::guard;
    guard.addresses = {};
    guard.sources = {};
    install(guard);
    const UdpReceiver vip("10.9.9.9", 7000), other("10.9.9.10", 7000), own("10.9.0.2", 7000);
    for (const char* destination : {"10.9.9.10", "10.9.0.2", "10.9.9.9"})
        tun.write(udp_packet(destination, "in"));
    CHECK(vip.next() == "in");
    CHECK(other.is_empty());
    CHECK(own.is_empty());
    CHECK(counters().at("passed") == 1);
    CHECK(counters().at("dropped") >= 2);  // and what IPv6 says on a new link
}

}  // namespace dsr::test
