#include "verify/judge/case.hpp"

#include <fmt/format.h>

namespace dsr::verify {

std::optional<CounterDelta> delta_of(const LbCounters& earlier, const LbCounters& later, const Target& target) {
    if (later.received < earlier.received) return std::nullopt;
    CounterDelta delta;
    delta.received = later.received - earlier.received;
    const ServiceCounters* before = find_service(earlier, target);
    const ServiceCounters* after = find_service(later, target);
    if (before == nullptr || after == nullptr) return delta;
    delta.service_known = true;
    delta.packets = after->packets - before->packets;
    delta.returns = after->return_packets - before->return_packets;
    for (const ServerCounters& server : after->servers)
        delta.servers[server.address] = server.packets;
    for (const ServerCounters& server : before->servers)
        if (const auto found = delta.servers.find(server.address); found != delta.servers.end())
            found->second -= server.packets;
    return delta;
}

Case make_case(const VipObservation& vip, const VipTrace& vip_trace, std::size_t target, const Segment& segment) {
    const TargetObservation& seen = vip.targets[target];
    Case made{vip, vip_trace, seen, vip_trace.targets[target], segment, to_string(seen.target), {}, 0, 0, 0};
    if (seen.before && seen.after) made.counters = delta_of(*seen.before, *seen.after, seen.target);
    for (const FlowTrace& flow : made.trace.flows) {
        made.requests += flow.requests;
        if (!flow.answered()) continue;
        ++made.answered;
        made.answered_requests += flow.requests;
    }
    return made;
}

std::string count_of(std::size_t part, std::size_t whole) {
    return fmt::format("{} of {} flow{}", part, whole, whole == 1 ? "" : "s");
}

}  // namespace dsr::verify
