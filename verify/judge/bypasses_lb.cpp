// bypasses-lb: replies reach the client without crossing the load balancer. Two independent kinds of evidence: the
// source MAC of the replies (on the client's own segment) and the load balancer's counters (anywhere).
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "verify/judge/diagnosis.hpp"
#include "verify/judge/judge.hpp"
#include "verify/judge/remedy.hpp"

namespace dsr::verify {
namespace {

struct Evidence {
    Verdict verdict = Verdict::not_shown;
    std::string text;
};

Evidence by_mac(const Case& c) {
    if (!c.segment.on_link()) return {Verdict::not_shown, "the VIP is behind a router, whose MAC hides the sender's"};
    const std::optional<wire::MacAddress> lb = c.segment.lb();
    if (!lb) return {Verdict::not_shown, "which host is the load balancer is not certain from ARP"};
    std::set<wire::MacAddress> senders;
    std::size_t returned = 0;
    std::size_t own = 0;
    std::size_t routed = 0;
    std::size_t diverted = 0;
    for (const FlowTrace& flow : c.trace.flows) {
        if (c.segment.diverted(flow) && !flow.replies.empty()) {
            ++diverted;
            continue;
        }
        for (const Reply& reply : flow.replies) {
            senders.insert(reply.from);
            const bool from_lb = reply.from == *lb;
            if (from_lb) ++returned;
            if (from_lb && is_initial_ttl(reply.ttl)) ++own;
            if (c.segment.crossed_router(reply)) ++routed;
        }
    }
    if (returned > 0)
        return {
            Verdict::refuted,
            fmt::format("{} reply frames come from {}, to which the requests went{}", returned, c.segment.describe(*lb),
                        own == returned ? ", with an untouched TTL: it answers itself, or is a proxy" : "")};
    if (diverted > 0)
        return {Verdict::not_shown,
                fmt::format("requests of {} went past the load balancer", count_of(diverted, c.trace.flows.size()))};
    if (senders.empty()) return {Verdict::not_shown, "no reply to judge"};
    if (routed > 0)
        return {Verdict::not_shown,
                fmt::format("{} reply frames crossed a router (TTL), which hides the sender", routed)};
    std::vector<std::string> names;
    for (const wire::MacAddress& mac : senders)
        names.push_back(c.segment.describe(mac));
    return {Verdict::proved, fmt::format("reply frames come from {}; requests went to {}", fmt::join(names, ", "),
                                         wire::to_string(*lb))};
}

Evidence by_counters(const Case& c) {
    if (!c.counters) return {Verdict::not_shown, "no counters of the load balancer (--lb URL)"};
    if (c.counters->returns > 0)
        return {Verdict::refuted,
                fmt::format("the load balancer got {} frames with the VIP as source", c.counters->returns)};
    if (c.answered == 0) return {Verdict::not_shown, "no reply to judge"};
    // The positive control: a balancer that saw no request proves nothing by seeing no reply.
    if (c.counters->packets < c.answered_requests)
        return {Verdict::not_shown, fmt::format("the load balancer's counters show {} of the {} request frames",
                                                c.counters->packets, c.answered_requests)};
    return {Verdict::proved,
            fmt::format("the load balancer forwarded {} requests and got 0 replies", c.counters->packets)};
}

}  // namespace

Claim judge_bypasses_lb(const Case& c) {
    Claim claim{.claim = "bypasses-lb", .subject = c.subject};
    claim.expected = "no reply crosses the load balancer";
    claim.where = fmt::format("the client, {}", c.vip.path.interface);
    const Evidence mac = by_mac(c);
    const Evidence counters = by_counters(c);
    claim.verdict = std::max(mac.verdict, counters.verdict) == Verdict::refuted
                        ? Verdict::refuted
                        : std::min(mac.verdict, counters.verdict);
    for (const Evidence* evidence : {&mac, &counters}) {
        // An absent --lb is no news beside a proof.
        if (evidence == &counters && !c.counters && claim.verdict != Verdict::not_shown) continue;
        claim.actual += (claim.actual.empty() ? "" : "; ") + evidence->text;
    }
    // Replies that die in the load balancer are seen by neither; the second look at a silent server shows their way.
    if (claim.verdict == Verdict::not_shown && c.answered == 0) {
        for (std::size_t i = 0; i < c.seen.target.servers.size(); ++i) {
            Diagnosis diagnosis = diagnose_server(c, i);
            if (diagnosis.finding != "return-via-lb") continue;
            claim.verdict = Verdict::refuted;
            claim.actual = std::move(diagnosis.actual);
            claim.where = std::move(diagnosis.where);
        }
    }
    if (claim.verdict == Verdict::refuted) {
        claim.finding = "return-via-lb";
        claim.fix = remedy(lb_answers_itself(c) ? kVipOnLb : std::string_view("return-via-lb"), c.vip.vip);
    } else if (claim.verdict == Verdict::not_shown) {
        claim.fix = c.answered == 0 ? "see answered" : "run verify with --lb URL of the load balancer";
    }
    return claim;
}

}  // namespace dsr::verify
