// Network namespaces for tests that need the kernel, and root: made here, gone with the test. Nothing outside is
// changed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/sys/unique_fd.hpp"
#include "common/wire/headers.hpp"

namespace dsr::test {

class Namespace {
public:
    Namespace();  // with lo up

    // Every thread has a namespace of its own: this one's is another while an Inside lives.
    class Inside {
    public:
        explicit Inside(const Namespace& space);
        ~Inside();
        Inside(const Inside&) = delete;
        Inside& operator=(const Inside&) = delete;

    private:
        sys::UniqueFd before_;
    };
    [[nodiscard]] std::string path() const;

private:
    sys::UniqueFd fd_;
};

// In this thread's namespace; a command that fails fails the test.
void run(const std::string& command);
bool succeeds(const std::string& command);
std::string output(const std::string& command);

// Client 'c0' 10.9.0.1/24 and server 's0' 10.9.0.2/24 with VIP 10.9.9.9 on lo, and clsact on s0.
struct Pair {
    Pair();
    Namespace client;
    Namespace server;
};
wire::Ipv4Address address(const char* text);

// A UDP socket at this address in this thread's namespace.
class UdpReceiver {
public:
    UdpReceiver(const char* local, std::uint16_t port);
    [[nodiscard]] std::string next() const;  // "" after two seconds without one
    [[nodiscard]] bool is_empty() const;

private:
    sys::UniqueFd fd_;
};

// An inner packet for RawSender: UDP from 10.9.0.1 to `destination`:7000.
std::string udp_packet(const char* destination, const std::string& payload);
// What the kernel would send as protocol 4 to 10.9.0.2, outer header and all.
std::string ipip_packet(const std::string& inner);

// Sends IP-in-IP to 10.9.0.2; the kernel makes the outer header.
class IpipSender {
public:
    IpipSender();
    void send(const std::string& inner) const;

private:
    sys::UniqueFd fd_;
};

// A tun device in this thread's namespace: a link without link header. Up, 10.9.0.2/24.
class Tun {
public:
    Tun();
    void write(const std::string& packet) const;
    [[nodiscard]] std::string read() const;  // the next IPv4 packet; "" after two seconds

private:
    sys::UniqueFd fd_;
};

}  // namespace dsr::test
