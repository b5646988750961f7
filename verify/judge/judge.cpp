#include "verify/judge/judge.hpp"

#include <algorithm>

namespace dsr::verify {
namespace {

bool reached_lb(const Case& c) {
    return c.answered > 0 && c.counters && c.counters->packets >= c.answered_requests;
}

}  // namespace

std::string_view name(Verdict verdict) {
    switch (verdict) {
        case Verdict::proved:
            return "proved";
        case Verdict::not_shown:
            return "not-shown";
        case Verdict::refuted:
            return "refuted";
    }
    return "unknown";
}

Verdict overall(const std::vector<Claim>& claims) {
    if (claims.empty()) return Verdict::not_shown;
    return std::ranges::max_element(claims, {}, &Claim::verdict)->verdict;
}

std::vector<Claim> judge(const Observation& observation) {
    std::vector<Claim> claims;
    for (const VipObservation& vip : observation.vips) {
        const VipTrace trace = trace_of(vip);
        const Segment segment(vip, trace);
        bool arrival_shown = true;
        for (std::size_t i = 0; i < vip.targets.size(); ++i) {
            const Case c = make_case(vip, trace, i, segment);
            claims.push_back(judge_answered(c));
            claims.push_back(judge_source_is_vip(c));
            claims.push_back(judge_bypasses_lb(c));
            std::ranges::move(judge_every_server_answers(c), std::back_inserter(claims));
            claims.push_back(judge_flow_sticks(c));
            arrival_shown = arrival_shown && reached_lb(c);
        }
        if (segment.on_link() || !arrival_shown) claims.push_back(judge_only_lb_answers_arp(vip, trace, segment));
    }
    return claims;
}

}  // namespace dsr::verify
