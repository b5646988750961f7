// Reads captured frames into what they say: which flow got which replies, from which MAC and IP address, who answered
// ARP. Pure; draws no conclusions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "verify/observation.hpp"

namespace dsr::verify {

enum class ReplyKind : std::uint8_t { syn_ack, reset, segment, datagram };

struct Reply {
    ReplyKind kind = ReplyKind::segment;
    wire::MacAddress from{};
    wire::Ipv4Address source{};
    std::uint8_t ttl = 0;
    bool beyond_syn = false;  // TCP: acknowledges more than the SYN, so its sender shares the connection's state
};

// An ICMP error (or redirect) that quotes one of our packets.
struct IcmpError {
    wire::MacAddress from{};
    wire::Ipv4Address source{};
    std::uint8_t type = 0;
    std::uint8_t code = 0;
};

struct FlowTrace {
    wire::FlowKey flow{};
    std::set<wire::MacAddress> sent_to{};     // next hops our frames were addressed to
    std::uint64_t requests = 0;               // frames we sent
    std::optional<std::uint32_t> sequence{};  // TCP: our initial sequence number, the cookie of the probe
    std::vector<Reply> replies{};             // whose source is the flow's destination
    std::vector<Reply> strays{};              // that answer our packet from another address
    std::vector<IcmpError> errors{};

    [[nodiscard]] bool answered() const;  // a SYN-ACK or a datagram came from the VIP
    [[nodiscard]] bool refused() const;   // a reset instead of a SYN-ACK
};

struct KnockTrace {
    FlowTrace direct{};
    FlowTrace own{};
    std::optional<wire::MacAddress> echo_reply{};  // the VIP answered the echo request
    std::vector<IcmpError> echo_errors{};          // quoting the echo request to the VIP
    std::vector<IcmpError> elsewhere_errors{};     // quoting the one to kElsewhere
};

struct TargetTrace {
    std::vector<FlowTrace> flows{};    // as TargetObservation::flows
    std::vector<KnockTrace> knocks{};  // as TargetObservation::knocks
};

struct VipTrace {
    std::vector<TargetTrace> targets{};                         // as VipObservation::targets
    std::set<wire::MacAddress> arp_answers{};                   // for the VIP
    std::set<wire::MacAddress> arp_leaks{};                     // ARP requests with the VIP as their sender
    std::map<wire::Ipv4Address, wire::MacAddress> neighbors{};  // from ARP replies for other addresses
};

// Counts only frames to or from the interface's own MAC (ARP requests also when broadcast): a switch floods others.
VipTrace trace_of(const VipObservation& observation);

}  // namespace dsr::verify
