// What ethtool -k and -l show of an interface, asked by ioctl: neither needs a privilege.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace dsr::lb::doctor {

// The most receive queues that can be set: with a transmit queue each, or by themselves.
struct Channels {
    std::uint32_t combined = 0;
    std::uint32_t receive = 0;
};

class Ethtool {
public:
    // `socket`: any socket of the network namespace.
    Ethtool(int socket, const std::string& interface) : socket_(socket), interface_(interface) {}

    // The features that are on, and whether each can be switched off.
    [[nodiscard]] std::map<std::string, bool> features_on() const;
    // Zeroes when it does not say.
    [[nodiscard]] Channels channels() const;

private:
    bool ask(void* request) const;

    int socket_;
    const std::string& interface_;
};

}  // namespace dsr::lb::doctor
