// Asks a segment who has an address, and waits for everybody who answers. Judges nothing.
#pragma once

#include <chrono>
#include <vector>

#include "common/sys/error.hpp"
#include "verify/observation.hpp"
#include "verify/probe/recorder.hpp"

namespace dsr::verify {

// ARP requests from the client's own address for the VIP and the other addresses, kArpRequests times each; a host that
// owns the VIP and is slow has kArpWindow to say so. The answers are in the recorder's frames.
inline constexpr int kArpRequests = 3;
inline constexpr std::chrono::milliseconds kArpWindow{900};
Result<void> ask_arp(const Path& path, const std::vector<wire::Ipv4Address>& addresses, Recorder& recorder);

}  // namespace dsr::verify
