// source-is-vip: what answers our probes carries the VIP as its source address.
#include <set>

#include <fmt/format.h>

#include "verify/judge/judge.hpp"

namespace dsr::verify {

Claim judge_source_is_vip(const Case& c) {
    Claim claim{.claim = "source-is-vip", .subject = c.subject};
    claim.expected = fmt::format("every reply comes from {}", wire::to_string(c.vip.vip));
    claim.where = fmt::format("the client, {}", c.vip.path.interface);
    std::set<std::string> others;
    std::size_t strayed = 0;
    for (const FlowTrace& flow : c.trace.flows) {
        if (!flow.strays.empty()) ++strayed;
        for (const Reply& reply : flow.strays)
            others.insert(fmt::format("{} ({})", wire::to_string(reply.source), wire::to_string(reply.from)));
    }
    if (strayed > 0) {
        claim.verdict = Verdict::refuted;
        claim.actual = fmt::format("replies to {} come from another address", count_of(strayed, c.trace.flows.size()));
        claim.where = fmt::format("{}", fmt::join(others, ", "));
        claim.fix = c.seen.target.protocol == Protocol::udp
                        ? fmt::format("let the UDP service answer from the address it was asked at: bind it to {}",
                                      wire::to_string(c.vip.vip))
                        : std::string("remove the address translation between the server and the client");
    } else if (c.answered == 0) {
        claim.actual = "no reply to judge";
        claim.fix = "see answered";
    } else {
        claim.verdict = Verdict::proved;
        claim.actual = fmt::format("all replies on {} answered flows do", c.answered);
    }
    return claim;
}

}  // namespace dsr::verify
