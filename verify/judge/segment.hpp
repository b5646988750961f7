// Who is who on the client's segment: which MAC is the load balancer's, which are the servers'. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "verify/evidence/trace.hpp"
#include "verify/observation.hpp"

namespace dsr::verify {

// A packet that no router touched still has the TTL its sender gave it; these are the values that hosts start with.
bool is_initial_ttl(std::uint8_t ttl);

class Segment {
public:
    Segment(const VipObservation& observation, const VipTrace& trace);

    // The client and the VIP share a segment; else every frame's MAC is the router's and says nothing.
    [[nodiscard]] bool on_link() const { return on_link_; }
    // The host that answers ARP for the VIP and is no server; nothing when that is not certain.
    [[nodiscard]] const std::optional<wire::MacAddress>& lb() const { return lb_; }
    // From the configuration, else the load balancer's counters, else an ARP reply. Nothing when the path is routed.
    [[nodiscard]] std::optional<wire::MacAddress> mac_of(wire::Ipv4Address server) const;
    [[nodiscard]] bool is_server(const wire::MacAddress& mac) const { return names_.contains(mac); }
    // Requests of this flow were addressed to a host that is not the load balancer.
    [[nodiscard]] bool diverted(const FlowTrace& flow) const;

    // It comes from a host that is neither the load balancer nor a server, and its TTL was decremented: the MAC is a
    // router's and hides the sender.
    [[nodiscard]] bool crossed_router(const Reply& reply) const;
    [[nodiscard]] bool crossed_router(const FlowTrace& flow) const;  // any reply of it

    // "server 10.0.0.11 (02:…)", "the load balancer (02:…)" or "02:…"
    [[nodiscard]] std::string describe(const wire::MacAddress& mac) const;
    [[nodiscard]] std::string describe(wire::Ipv4Address server) const;

private:
    bool on_link_;
    std::map<wire::Ipv4Address, wire::MacAddress> macs_;
    std::map<wire::MacAddress, wire::Ipv4Address> names_;
    std::optional<wire::MacAddress> lb_;
};

}  // namespace dsr::verify
