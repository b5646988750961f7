// What was seen, before anybody judges it: frames at the client, what the probes were, what the load balancer counted.
// Values only; made by probe/smoke.hpp on a live network, and by hand in tests.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/wire/address.hpp"
#include "common/wire/flow_key.hpp"
#include "verify/evidence/counters.hpp"
#include "verify/plan.hpp"
#include "verify/target.hpp"

namespace dsr::verify {

struct Frame {
    std::chrono::nanoseconds time{0};   // since the epoch
    std::vector<std::uint8_t> bytes{};  // from the Ethernet header on; its end may be cut off
};

// How the client reaches the VIP.
struct Path {
    std::string interface{};
    wire::MacAddress mac{};                      // of that interface
    wire::Ipv4Address client{};                  // the source of the probes
    std::optional<wire::Ipv4Address> gateway{};  // nothing: the VIP is on the client's own segment
    bool forced = false;                         // the user named the interface, against the routing table's choice
};

// A second look at one server whose flows went unanswered: probes handed straight to its MAC address, around the load
// balancer, with TTL 1 so that a host that does not own the VIP says so (ICMP time exceeded) and forwards nothing.
struct Knock {
    std::size_t server = 0;  // index into Target::servers
    wire::FlowKey direct{};  // a TCP SYN or a datagram to the VIP's port, in a frame to the server's MAC
    std::uint16_t echo_id =
        0;                // ICMP echo requests with it: sequence kKnockVip to the VIP, kKnockElsewhere to kElsewhere
    wire::FlowKey own{};  // an ordinary connection or datagram to the server's own address and the same port
};
inline constexpr std::uint16_t kFirstEchoId = 0x6473;
inline constexpr std::uint16_t kKnockVip = 1;
inline constexpr std::uint16_t kKnockElsewhere = 2;
// TEST-NET-1 (RFC 5737): belongs to nobody, so that only a host that forwards packets has anything to say about it.
inline constexpr wire::Ipv4Address kElsewhere = wire::Ipv4Address::from_host(0xc0000201);

// The flows that the ring gives to one server, sent while no others were, and the load balancer's counters around them.
struct Round {
    std::size_t server = 0;  // index into Target::servers
    LbCounters before{};
    LbCounters after{};
};

struct TargetObservation {
    Target target{};
    std::vector<PlannedFlow> flows{};  // those that were sent
    std::vector<Round> rounds{};  // only where nothing else shows who answers: datagrams on a routed path, with --lb
    std::vector<Knock> knocks{};
    std::optional<LbCounters> before{};  // the load balancer's, when asked for and there
    std::optional<LbCounters> after{};
};

struct VipObservation {
    // An echo id that no knock so far has, of whichever target: all knocks' answers share one capture.
    [[nodiscard]] std::uint16_t free_echo_id() const;

    wire::Ipv4Address vip{};
    Path path{};
    bool arp_audited = false;  // ARP requests for the VIP were sent and answers waited for
    std::vector<TargetObservation> targets{};
    std::vector<Frame>
        frames{};  // sent and received on path.interface, from before the first probe until after the last
};

inline std::uint16_t VipObservation::free_echo_id() const {
    std::size_t knocks = 0;
    for (const TargetObservation& target : targets)
        knocks += target.knocks.size();
    return static_cast<std::uint16_t>(kFirstEchoId + knocks);
}

struct Observation {
    std::vector<VipObservation> vips{};
};

}  // namespace dsr::verify
