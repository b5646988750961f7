// Going into the network namespace of a process and into one with a name, and what is the namespace's afterwards.
#include "common/sys/network_namespace.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sys/netlink/sockets.hpp"
#include "fresh_namespace.hpp"

using namespace dsr;
using namespace dsr::sys;

namespace {

constexpr std::uint16_t kPort = 4242;
constexpr int kTimeToLive = 77;
constexpr const char* kTimeToLivePath = "/proc/sys/net/ipv4/ip_default_ttl";

std::string text_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

// In a namespace of its own: a socket bound to kPort, and another default TTL.
bool furnish() {
    if (::unshare(CLONE_NEWNET) != 0) return false;
    const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(kPort);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) return false;
    return static_cast<bool>(std::ofstream(kTimeToLivePath) << kTimeToLive << std::flush);
}

// A process that lives in a furnished namespace as long as this object.
class Neighbour {
public:
    Neighbour() {
        test::require_root();
        std::array<int, 2> ready{};
        REQUIRE(::pipe(ready.data()) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::close(ready[0]);
            const char answer = furnish() ? 'y' : 'n';
            (void)!::write(ready[1], &answer, 1);
            while (true)
                ::pause();
        }
        ::close(ready[1]);
        char answer = 0;
        const ssize_t got = ::read(ready[0], &answer, 1);
        ::close(ready[0]);
        REQUIRE(pid_ > 0);
        REQUIRE(got == 1);
        REQUIRE(answer == 'y');
    }
    Neighbour(const Neighbour&) = delete;
    Neighbour& operator=(const Neighbour&) = delete;
    ~Neighbour() { end(); }

    void end() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        pid_ = -1;
    }
    [[nodiscard]] std::string pid() const { return std::to_string(pid_); }

private:
    pid_t pid_ = -1;
};

// A file below /run/netns that is no namespace.
class PlainFile {
public:
    explicit PlainFile(const std::string& name) : path_("/run/netns/" + name) {
        test::require_root();
        made_directory_ = ::mkdir("/run/netns", 0755) == 0;
        std::ofstream file(path_);
        REQUIRE(file);
    }
    PlainFile(const PlainFile&) = delete;
    PlainFile& operator=(const PlainFile&) = delete;
    ~PlainFile() {
        ::unlink(path_.c_str());
        if (made_directory_) ::rmdir("/run/netns");
    }

private:
    std::string path_;
    bool made_directory_ = false;
};

// What a child process came to.
enum Verdict : int { kRight, kWrongInside, kWrongOutside, kCannot };

template <typename Child>
Verdict in_child(Child child) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(child());
    int status = 0;
    if (pid < 0 || ::waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return kCannot;
    return static_cast<Verdict>(WEXITSTATUS(status));
}

// In a child of the first process of a new PID namespace: the PID 1 of the machine may be closed to us, root or not.
template <typename Child>
Verdict below_an_init_of_its_own(Child child) {
    return in_child([&] {
        if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) return kCannot;
        return in_child([&] {
            if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kCannot;
            if (::mount("proc", "/proc", "proc", 0, nullptr) != 0) return kCannot;
            return in_child(child);
        });
    });
}

bool sees_the_port() {
    auto socket = netlink::Socket::open(netlink::Family::sock_diag);
    REQUIRE(socket);
    return netlink::listeners(*socket).value() ==
           std::vector{netlink::Listener{netlink::kProtocolUdp, wire::Ipv4Address{}, kPort, 0}};
}

std::string refusal(const std::string& name_or_pid) {
    const auto entered = enter_network_namespace(name_or_pid);
    return entered ? "entered" : entered.error().message;
}

}  // namespace

TEST_CASE("after entering the namespace of a process, sockets and /proc are those of that namespace") {
    const test::FreshNamespace fresh;
    const Neighbour neighbour;
    const std::string port_in_hex = fmt::format(":{:04X} ", kPort);
    REQUIRE_FALSE(sees_the_port());
    REQUIRE(text_of(kTimeToLivePath) != fmt::format("{}\n", kTimeToLive));
    REQUIRE(text_of("/proc/net/udp").find(port_in_hex) == std::string::npos);

    const auto entered = enter_network_namespace(neighbour.pid());
    if (!entered) FAIL(entered.error().message);
    CHECK(sees_the_port());
    CHECK(text_of(kTimeToLivePath) == fmt::format("{}\n", kTimeToLive));
    CHECK(text_of("/proc/net/udp").find(port_in_hex) != std::string::npos);
}

TEST_CASE("a namespace is entered by the name that 'ip netns' gave it") {
    const test::FreshNamespace fresh;
    const std::string name = fmt::format("dsr_test_{}", ::getpid());
    {
        const Neighbour neighbour;
        REQUIRE(std::system(fmt::format("ip netns attach {} {}", name, neighbour.pid()).c_str()) == 0);
    }
    const std::string outcome = refusal(name);
    const bool sees = outcome == "entered" && text_of(kTimeToLivePath) == fmt::format("{}\n", kTimeToLive);
    CHECK(std::system(fmt::format("ip netns delete {}", name).c_str()) == 0);
    CHECK(outcome == "entered");
    CHECK(sees);
}

TEST_CASE("what is no namespace is refused with the reason") {
    const test::NamespaceRestored restored;
    CHECK(refusal("dsr_no_such") == "there is no network namespace 'dsr_no_such' (in /run/netns)");
    for (const char* text : {"", ".", "..", "../../etc/passwd", "/proc/1/ns/net"})
        CHECK(refusal(text) == fmt::format("'{}' is neither the name of a network namespace nor a PID", text));

    Neighbour neighbour;
    const std::string gone = neighbour.pid();
    neighbour.end();
    CHECK(refusal(gone) ==
          fmt::format("there is no process {0}, and no network namespace '{0}' (in /run/netns)", gone));
}

TEST_CASE("a file in /run/netns that is no namespace is refused, and so is a number with two meanings") {
    const test::NamespaceRestored restored;
    const PlainFile left_over(fmt::format("dsr_file_{}", ::getpid()));
    CHECK(refusal(fmt::format("dsr_file_{}", ::getpid())) ==
          fmt::format("'/run/netns/dsr_file_{}' is not a network namespace", ::getpid()));
    const std::string own = std::to_string(::getpid());
    const PlainFile numbered(own);
    CHECK(refusal(own) == fmt::format("'{}' is both the name of a network namespace and a PID", own));
}

TEST_CASE("a process without privilege is refused") {
    const test::NamespaceRestored restored;
    const Neighbour neighbour;
    const test::Nobody nobody;
    CHECK(refusal(neighbour.pid()) ==
          fmt::format("cannot enter network namespace '/proc/{}/ns/net': Permission denied", neighbour.pid()));
}

TEST_CASE("a process knows whether it is in the network namespace of PID 1") {
    test::require_root();
    CHECK(below_an_init_of_its_own([] {
              if (in_network_namespace_of_init() != true) return kWrongInside;
              if (::unshare(CLONE_NEWNET) != 0) return kCannot;
              return in_network_namespace_of_init() == false ? kRight : kWrongOutside;
          }) == kRight);
}

TEST_CASE("a process that may not ask does not know whether it is where PID 1 is") {
    const test::Nobody nobody;
    CHECK(in_network_namespace_of_init() == std::nullopt);
}
