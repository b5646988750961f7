// Sees and sends Ethernet frames on one interface. The only place that knows libpcap; knows nothing of what the frames
// are for. Not promiscuous: frames that a switch floods are not ours to judge.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "common/wire/headers.hpp"
#include "verify/observation.hpp"

struct pcap;

namespace dsr::verify {

class Capture {
public:
    // `filter` in pcap-filter(7) syntax. Errors: no such interface, no permission (CAP_NET_RAW), not Ethernet.
    static Result<Capture> open(const std::string& interface, const std::string& filter);

    // Readable when drain() would find frames.
    [[nodiscard]] int fd() const;

    // Moves what has been captured, in both directions, to the end of `frames`; never waits.
    Result<void> drain(std::vector<Frame>& frames);

    // Sends a whole frame, and notes it in `frames`: the kernel does not show a socket what it sent itself.
    Result<void> inject(wire::Bytes frame, std::vector<Frame>& frames);

private:
    struct Close {
        void operator()(pcap* handle) const;
    };
    explicit Capture(std::unique_ptr<pcap, Close> handle) : handle_(std::move(handle)) {}
    std::unique_ptr<pcap, Close> handle_;
};

}  // namespace dsr::verify
