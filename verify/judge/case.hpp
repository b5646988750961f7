// Everything the claims about one target are judged from, in one place. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "verify/judge/segment.hpp"

namespace dsr::verify {

// What the load balancer counted between the first probe and the last.
struct CounterDelta {
    bool service_known = false;                          // it has this virtual service
    std::uint64_t received = 0;                          // frames, of any service
    std::uint64_t packets = 0;                           // requests forwarded for this service
    std::uint64_t returns = 0;                           // frames from the VIP addressed to the load balancer
    std::map<wire::Ipv4Address, std::uint64_t> servers;  // requests forwarded to each
};

// References: the observation and the trace outlive it.
struct Case {
    const VipObservation& vip;
    const VipTrace& vip_trace;
    const TargetObservation& seen;
    const TargetTrace& trace;
    const Segment& segment;
    std::string subject;                   // "203.0.113.10:80/tcp"
    std::optional<CounterDelta> counters;  // nothing: not asked for, or the load balancer restarted meanwhile
    std::size_t answered = 0;              // flows
    std::uint64_t requests = 0;            // frames we sent on all flows
    std::uint64_t answered_requests = 0;   // … on those that were answered: those the load balancer must have forwarded
};

// What the load balancer counted for this target between two readings; nothing when it restarted between them.
std::optional<CounterDelta> delta_of(const LbCounters& before, const LbCounters& after, const Target& target);

Case make_case(const VipObservation& vip, const VipTrace& vip_trace, std::size_t target, const Segment& segment);

// "3 of 4 flows"
std::string count_of(std::size_t part, std::size_t whole);

}  // namespace dsr::verify
