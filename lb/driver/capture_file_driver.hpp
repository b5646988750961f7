// Plays a capture file through the data plane and writes what would be transmitted to another one. Time is the
// capture's. Hides libpcap.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "lb/dataplane/driver.hpp"
#include "lb/dataplane/forwarding_table.hpp"

namespace dsr::lb {

class CaptureFileDriver : public Driver {
public:
    // Sees every burst after it was transmitted, dropped and passed packets included.
    using Observer = std::function<void(std::span<const Packet>)>;

    // A frame belongs to the interface whose MAC address it is sent to, else to the first. Formats: pcap and pcapng in,
    // pcap out; only Ethernet. Errors name the file.
    static Result<std::unique_ptr<CaptureFileDriver>> open(const std::string& input, const std::string& output,
                                                           const std::vector<Interface>& interfaces, Observer observer);

    // Completes the output file. Errors: the disk is full, the input was cut off, a frame was captured short.
    virtual Result<void> finish() = 0;
};

}  // namespace dsr::lb
