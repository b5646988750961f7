// The second look at servers whose flows were not answered (see Knock in observation.hpp): asks them around the load
// balancer. Sends; judges nothing.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "common/sys/error.hpp"
#include "verify/judge/segment.hpp"
#include "verify/observation.hpp"
#include "verify/probe/recorder.hpp"

namespace dsr::verify {

// Looks at these servers of this target of the VIP one after another, and adds a Knock for each to its knocks. Servers
// whose MAC the segment does not know are only asked at their own address. Takes up to 2 x `timeout` for each.
Result<void> knock(VipObservation& vip, std::size_t target, const Segment& segment,
                   const std::vector<std::size_t>& servers, std::chrono::milliseconds timeout, Recorder& recorder);

}  // namespace dsr::verify
