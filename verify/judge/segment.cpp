#include "verify/judge/segment.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace dsr::verify {
namespace {

std::set<wire::MacAddress> reply_sources(const VipTrace& trace) {
    std::set<wire::MacAddress> sources;
    for (const TargetTrace& target : trace.targets)
        for (const FlowTrace& flow : target.flows)
            for (const Reply& reply : flow.replies)
                sources.insert(reply.from);
    return sources;
}

}  // namespace

bool is_initial_ttl(std::uint8_t ttl) {
    return ttl == 32 || ttl == 64 || ttl == 128 || ttl == 255;
}

Segment::Segment(const VipObservation& observation, const VipTrace& trace) : on_link_(!observation.path.gateway) {
    if (!on_link_) return;
    const auto learn = [this](wire::Ipv4Address address, const std::optional<wire::MacAddress>& mac) {
        if (mac) macs_.try_emplace(address, *mac);
    };
    for (const TargetObservation& seen : observation.targets)
        for (const Server& server : seen.target.servers)
            learn(server.address, server.mac);
    for (const TargetObservation& seen : observation.targets) {
        const auto& counters = seen.after ? seen.after : seen.before;
        const ServiceCounters* service = counters ? find_service(*counters, seen.target) : nullptr;
        if (service == nullptr) continue;
        for (const ServerCounters& server : service->servers)
            learn(server.address, server.mac);
    }
    for (const TargetObservation& seen : observation.targets)
        for (const Server& server : seen.target.servers)
            if (const auto found = trace.neighbors.find(server.address); found != trace.neighbors.end())
                learn(server.address, found->second);
    for (const auto& [address, mac] : macs_)
        names_.emplace(mac, address);

    std::set<wire::MacAddress> candidates = trace.arp_answers;
    std::erase_if(candidates, [this](const wire::MacAddress& mac) { return is_server(mac); });
    if (candidates.size() > 1) {
        // A load balancer that returns nothing sends no replies; a server that answers ARP for the VIP does.
        const auto sources = reply_sources(trace);
        std::erase_if(candidates, [&](const wire::MacAddress& mac) { return sources.contains(mac); });
    }
    if (candidates.size() == 1) lb_ = *candidates.begin();
}

std::optional<wire::MacAddress> Segment::mac_of(wire::Ipv4Address server) const {
    const auto found = macs_.find(server);
    return found == macs_.end() ? std::nullopt : std::optional(found->second);
}

bool Segment::diverted(const FlowTrace& flow) const {
    return on_link_ && std::ranges::any_of(flow.sent_to, [this](const wire::MacAddress& mac) {
               return is_server(mac) || (lb_ && mac != *lb_);
           });
}

bool Segment::crossed_router(const Reply& reply) const {
    return on_link_ && reply.from != lb_ && !is_server(reply.from) && !is_initial_ttl(reply.ttl);
}

bool Segment::crossed_router(const FlowTrace& flow) const {
    return std::ranges::any_of(flow.replies, [this](const Reply& reply) { return crossed_router(reply); });
}

std::string Segment::describe(const wire::MacAddress& mac) const {
    if (const auto found = names_.find(mac); found != names_.end())
        return fmt::format("server {} ({})", wire::to_string(found->second), wire::to_string(mac));
    if (lb_ == mac) return fmt::format("the load balancer ({})", wire::to_string(mac));
    return wire::to_string(mac);
}

std::string Segment::describe(wire::Ipv4Address server) const {
    if (const auto mac = mac_of(server)) return describe(*mac);
    return fmt::format("server {}", wire::to_string(server));
}

}  // namespace dsr::verify
