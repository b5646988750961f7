// only-lb-answers-arp: exactly one host answers ARP requests for the VIP, it is no server, and no server spreads the
// VIP in ARP requests of its own.
#include <algorithm>

#include <fmt/format.h>

#include "verify/judge/judge.hpp"
#include "verify/judge/remedy.hpp"

namespace dsr::verify {
namespace {

std::string describe_all(const std::set<wire::MacAddress>& macs, const Segment& segment) {
    std::vector<std::string> names;
    for (const wire::MacAddress& mac : macs)
        names.push_back(segment.describe(mac));
    return fmt::format("{}", fmt::join(names, ", "));
}

std::set<wire::MacAddress> without_lb(std::set<wire::MacAddress> macs, const Segment& segment) {
    if (const auto lb = segment.lb()) macs.erase(*lb);
    return macs;
}

bool answered_at_all(const VipTrace& trace) {
    return std::ranges::any_of(trace.targets, [](const TargetTrace& target) {
        return std::ranges::any_of(target.flows, &FlowTrace::answered);
    });
}

}  // namespace

Claim judge_only_lb_answers_arp(const VipObservation& vip, const VipTrace& trace, const Segment& segment) {
    Claim claim{.claim = "only-lb-answers-arp", .subject = wire::to_string(vip.vip)};
    claim.expected = "1 host answers ARP, the load balancer";
    claim.where = fmt::format("the segment of {}", vip.path.interface);
    const auto refute = [&](const char* finding, std::string where) {
        claim.verdict = Verdict::refuted;
        claim.finding = finding;
        claim.where = std::move(where);
        claim.fix = remedy(finding, vip.vip);
        return claim;
    };
    if (vip.path.gateway) {
        claim.actual =
            fmt::format("the VIP is behind the router {}, ARP does not reach it", wire::to_string(*vip.path.gateway));
        claim.fix = "run verify from a host on the VIP's segment";
        return claim;
    }
    if (!vip.arp_audited) {
        claim.actual = "no ARP request was sent";
        return claim;
    }
    claim.actual = fmt::format(
        "{}: {}",
        trace.arp_answers.size() == 1 ? "1 host answers" : fmt::format("{} hosts answer", trace.arp_answers.size()),
        describe_all(trace.arp_answers, segment));
    if (trace.arp_answers.empty()) {
        claim.actual = "nobody answers";
        if (!answered_at_all(trace)) return refute("lb-not-reached", "the load balancer");
        claim.fix = "is there a static neighbour entry for the VIP on this client?";
        return claim;
    }
    if (trace.arp_answers.size() > 1)
        return refute("duplicate-arp", describe_all(without_lb(trace.arp_answers, segment), segment));
    if (segment.is_server(*trace.arp_answers.begin()))
        return refute("duplicate-arp", describe_all(trace.arp_answers, segment));
    if (const auto leaks = without_lb(trace.arp_leaks, segment); !leaks.empty()) {
        claim.actual +=
            fmt::format("; ARP requests name the VIP as their sender, from {}", describe_all(leaks, segment));
        return refute("arp-announce", describe_all(leaks, segment));
    }
    claim.verdict = Verdict::proved;
    return claim;
}

}  // namespace dsr::verify
