// flow-sticks: all packets of one flow are answered by one server. Two signs of it: on the client's own segment, all
// reply frames of the flow have one source MAC; and for TCP, anywhere, the flow's later packets are acknowledged: only
// the server that accepted the connection knows it, any other one answers with a reset (RFC 9293 section 3.10.7.1).
// For datagrams behind a router a third: while only one server's flows were sent, the load balancer forwarded to it
// alone.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "verify/judge/judge.hpp"

namespace dsr::verify {
namespace {

std::set<wire::MacAddress> senders_of(const FlowTrace& flow) {
    std::set<wire::MacAddress> senders;
    for (const Reply& reply : flow.replies)
        senders.insert(reply.from);
    return senders;
}

// At least two of our packets were answered, by the same server as far as the path lets us see.
bool sticks(const FlowTrace& flow, bool tcp) {
    if (tcp) return std::ranges::any_of(flow.replies, &Reply::beyond_syn);
    return flow.replies.size() >= 2;
}

// Every server had a round, in which all requests went to it and none to another one.
bool rounds_stick(const Case& c) {
    if (c.seen.rounds.empty() || c.seen.rounds.size() != c.seen.target.servers.size()) return false;
    return std::ranges::all_of(c.seen.rounds, [&](const Round& round) {
        const auto delta = delta_of(round.before, round.after, c.seen.target);
        std::uint64_t sent = 0;
        for (std::size_t i = 0; i < c.trace.flows.size(); ++i)
            if (c.seen.flows[i].server == round.server) sent += c.trace.flows[i].requests;
        if (!delta || sent == 0) return false;
        const wire::Ipv4Address own = c.seen.target.servers[round.server].address;
        return std::ranges::all_of(delta->servers,
                                   [&](const auto& counted) {
                                       return counted.first == own ? counted.second >= sent : counted.second == 0;
                                   }) &&
               delta->servers.contains(own);
    });
}

}  // namespace

Claim judge_flow_sticks(const Case& c) {
    Claim claim{.claim = "flow-sticks", .subject = c.subject};
    claim.expected = "one server answers all packets of a flow";
    claim.where = fmt::format("the client, {}", c.vip.path.interface);
    const bool tcp = c.seen.target.protocol == Protocol::tcp;
    // Behind a router, on the way there or back, all senders have one MAC.
    const bool sees_macs = c.segment.on_link() && std::ranges::none_of(c.trace.flows, [&](const FlowTrace& flow) {
                               return c.segment.crossed_router(flow);
                           });
    std::size_t stuck = 0;
    for (const FlowTrace& flow : c.trace.flows) {
        if (!flow.answered()) continue;
        const auto senders = senders_of(flow);
        if (c.segment.on_link() && senders.size() > 1) {
            std::vector<std::string> names;
            for (const wire::MacAddress& mac : senders)
                names.push_back(c.segment.describe(mac));
            claim.verdict = Verdict::refuted;
            claim.actual = fmt::format("the flow from port {} is answered by {}", flow.flow.source_port,
                                       fmt::join(names, " and "));
            claim.where = "the load balancer";
            claim.fix = "is more than one lb active for this VIP, with a different configuration? Stop all but one";
            return claim;
        }
        if (sticks(flow, tcp)) ++stuck;
    }
    if (c.answered == 0) {
        claim.actual = "no reply to judge";
        claim.fix = "see answered";
    } else if (!tcp && !sees_macs && rounds_stick(c)) {
        claim.verdict = Verdict::proved;
        claim.actual = "the load balancer forwarded each server's flows to that server alone";
    } else if (!tcp && !sees_macs) {
        claim.actual =
            c.seen.rounds.empty()
                ? "which server answers a datagram is not visible behind a router"
                : "the load balancer's counters do not tell the flows apart: other clients, or flows that moved";
        claim.fix =
            "run verify from a host on the VIP's segment, or with --config F and --lb URL while the service is quiet";
    } else if (stuck < c.answered) {
        claim.actual = fmt::format("{} answered more than once", count_of(stuck, c.answered));
        claim.fix = "run verify with a longer --timeout";
    } else {
        claim.verdict = Verdict::proved;
        claim.actual = sees_macs ? fmt::format("one MAC address in each of {} answered flows", c.answered)
                                 : fmt::format("all {} answered flows are acknowledged beyond the SYN", c.answered);
    }
    return claim;
}

}  // namespace dsr::verify
