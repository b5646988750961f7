#include "network.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/wire/build.hpp"
#include "common/wire/checksum.hpp"

namespace dsr::test {
namespace {

constexpr int kPatienceMs = 2000;
constexpr const char* kOwn = "/proc/thread-self/ns/net";

sys::UniqueFd own_namespace() {
    sys::UniqueFd fd(::open(kOwn, O_RDONLY | O_CLOEXEC));
    REQUIRE(fd.valid());
    return fd;
}

sockaddr_in socket_address(const char* text, std::uint16_t port) {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(port);
    REQUIRE(::inet_pton(AF_INET, text, &made.sin_addr) == 1);
    return made;
}

bool readable(int fd, int milliseconds) {
    pollfd poll{fd, POLLIN, 0};
    return ::poll(&poll, 1, milliseconds) == 1;
}

std::string text_of(wire::Bytes bytes) {
    return {bytes.begin(), bytes.end()};
}

}  // namespace

Namespace::Namespace() {
    const sys::UniqueFd before = own_namespace();
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    fd_ = own_namespace();
    run("ip link set lo up");
    REQUIRE(::setns(before.get(), CLONE_NEWNET) == 0);
}

std::string Namespace::path() const {
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd_.get());
}

Namespace::Inside::Inside(const Namespace& space) : before_(own_namespace()) {
    REQUIRE(::setns(space.fd_.get(), CLONE_NEWNET) == 0);
}

Namespace::Inside::~Inside() {
    (void)::setns(before_.get(), CLONE_NEWNET);
}

void run(const std::string& command) {
    INFO(command);
    REQUIRE(succeeds(command));
}

bool succeeds(const std::string& command) {
    return std::system(command.c_str()) == 0;
}

std::string output(const std::string& command) {
    std::string all;
    FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> piece{};
    for (std::size_t size = 0; (size = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
        all.append(piece.data(), size);
    REQUIRE(::pclose(pipe) == 0);
    return all;
}

Pair::Pair() {
    const Namespace::Inside inside(server);
    run("ip link add s0 type veth peer name c0 netns " + client.path());
    run("ip link set s0 up && ip address add 10.9.0.2/24 dev s0 && ip address add 10.9.9.9/32 dev lo");
    run("tc qdisc add dev s0 clsact");
    const Namespace::Inside other(client);
    run("ip link set c0 up && ip address add 10.9.0.1/24 dev c0 && ip route add 10.9.9.9 via 10.9.0.2");
}

wire::Ipv4Address address(const char* text) {
    const auto parsed = wire::Ipv4Address::parse(text);
    REQUIRE(parsed);
    return *parsed;
}

UdpReceiver::UdpReceiver(const char* local, std::uint16_t port) : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const int size = 64 << 20;
    REQUIRE(::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) == 0);
    const sockaddr_in at = socket_address(local, port);
    REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
}

std::string UdpReceiver::next() const {
    std::array<char, 2048> data{};
    if (!readable(fd_.get(), kPatienceMs)) return {};
    const ssize_t size = ::recv(fd_.get(), data.data(), data.size(), 0);
    return size < 0 ? std::string() : std::string(data.data(), static_cast<std::size_t>(size));
}

bool UdpReceiver::is_empty() const {
    return !readable(fd_.get(), 0);
}

std::string udp_packet(const char* destination, const std::string& payload) {
    std::array<std::uint8_t, 2048> buffer{};
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(payload.data());
    const auto frame = wire::FrameBuilder(buffer)
                           .ethernet({}, {})
                           .ipv4({.source = address("10.9.0.1"), .destination = address(destination)})
                           .udp(4000, 7000)
                           .payload({bytes, payload.size()})
                           .finish();
    REQUIRE(frame);
    return text_of(frame->subspan(sizeof(wire::EthernetHeader)));
}

std::string ipip_packet(const std::string& inner) {
    std::array<std::uint8_t, 2048> buffer{};
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(inner.data());
    const auto frame =
        wire::FrameBuilder(buffer)
            .ethernet({}, {})
            .ipv4({.source = address("10.9.0.1"), .destination = address("10.9.0.2"), .protocol = wire::kProtocolIpip})
            .payload({bytes, inner.size()})
            .finish();
    REQUIRE(frame);
    return text_of(frame->subspan(sizeof(wire::EthernetHeader)));
}

IpipSender::IpipSender() : fd_(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_IPIP)) {
    REQUIRE(fd_.valid());
}

void IpipSender::send(const std::string& inner) const {
    const sockaddr_in to = socket_address("10.9.0.2", 0);
    const ssize_t sent =
        ::sendto(fd_.get(), inner.data(), inner.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    REQUIRE(sent == static_cast<ssize_t>(inner.size()));
}

Tun::Tun() : fd_(::open("/dev/net/tun", O_RDWR | O_CLOEXEC)) {
    ifreq request{};
    std::strcpy(request.ifr_name, "t0");
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    REQUIRE(::ioctl(fd_.get(), TUNSETIFF, &request) == 0);
    run("ip link set t0 up && ip address add 10.9.0.2/24 dev t0");
}

void Tun::write(const std::string& packet) const {
    REQUIRE(::write(fd_.get(), packet.data(), packet.size()) == static_cast<ssize_t>(packet.size()));
}

std::string Tun::read() const {
    std::array<char, 2048> data{};
    while (readable(fd_.get(), kPatienceMs)) {
        const ssize_t size = ::read(fd_.get(), data.data(), data.size());
        REQUIRE(size > 0);
        if ((data[0] & 0xf0) == 0x40) return {data.data(), static_cast<std::size_t>(size)};  // not IPv6's chatter
    }
    return {};
}

}  // namespace dsr::test
