// every-server-answers: one claim for each server that new flows may go to.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "verify/judge/diagnosis.hpp"
#include "verify/judge/judge.hpp"

namespace dsr::verify {
namespace {

struct Tally {
    std::size_t aimed = 0;           // flows that the ring gives to the server
    std::size_t aimed_answered = 0;  // … by whomever
    std::size_t by_server = 0;       // answered flows whose reply came from the server's MAC, aimed or not
    std::uint64_t aimed_requests = 0;
    bool hidden = false;  // replies that may be the server's crossed a router
};

Tally tally_of(const Case& c, std::size_t server) {
    Tally tally;
    const auto mac = c.segment.mac_of(c.seen.target.servers[server].address);
    for (std::size_t i = 0; i < c.trace.flows.size(); ++i) {
        const FlowTrace& flow = c.trace.flows[i];
        if (c.seen.flows[i].server == server) {
            ++tally.aimed;
            if (flow.answered()) ++tally.aimed_answered;
            tally.aimed_requests += flow.requests;
        }
        const bool sent = mac && std::ranges::any_of(flow.replies, [&](const Reply& reply) {
                              return reply.kind != ReplyKind::reset && reply.from == *mac;
                          });
        if (flow.answered() && sent) ++tally.by_server;
        const bool may_be_its = !c.seen.flows[i].server || c.seen.flows[i].server == server;
        if (may_be_its && c.segment.crossed_router(flow)) tally.hidden = true;
    }
    return tally;
}

void refute(Claim& claim, const Case& c, std::size_t server) {
    auto path = diagnose_path(c);
    Diagnosis diagnosis = path ? *std::move(path) : diagnose_server(c, server);
    claim.verdict = Verdict::refuted;
    claim.finding = std::move(diagnosis.finding);
    claim.actual += "; " + diagnosis.actual;
    claim.where = std::move(diagnosis.where);
    claim.fix = std::move(diagnosis.fix);
}

std::uint64_t counted(const Case& c, wire::Ipv4Address server) {
    if (!c.counters) return 0;
    const auto found = c.counters->servers.find(server);
    return found == c.counters->servers.end() ? 0 : found->second;
}

Claim judge_server(const Case& c, std::size_t server) {
    const wire::Ipv4Address address = c.seen.target.servers[server].address;
    Claim claim{.claim = "every-server-answers",
                .subject = fmt::format("{} on {}", c.subject, wire::to_string(address))};
    const Tally tally = tally_of(c, server);
    const bool sees_macs = c.segment.mac_of(address).has_value() && !tally.hidden;
    claim.where = c.segment.describe(address);
    claim.expected = tally.aimed > 0 ? fmt::format("{} answered by it", count_of(tally.aimed, tally.aimed))
                                     : std::string("at least 1 flow answered by it");
    claim.actual = sees_macs ? fmt::format("{} answered by it", count_of(tally.by_server, c.trace.flows.size()))
                             : fmt::format("{} answered", count_of(tally.aimed_answered, tally.aimed));
    if (std::ranges::any_of(c.trace.flows, [&](const FlowTrace& flow) { return c.segment.diverted(flow); })) {
        claim.actual += "; requests went past the load balancer";
        claim.fix = "see only-lb-answers-arp";
        return claim;
    }
    if (tally.aimed_answered < tally.aimed) {
        claim.actual = fmt::format("{} answered", count_of(tally.aimed_answered, tally.aimed));
        refute(claim, c, server);
        return claim;
    }
    if (sees_macs && tally.by_server > 0) {
        claim.verdict = Verdict::proved;
        return claim;
    }
    const std::uint64_t forwarded = counted(c, address);
    if (sees_macs && tally.aimed > 0) {
        claim.actual += "; its flows are answered by others";
        refute(claim, c, server);
    } else if (sees_macs && forwarded > 0) {
        claim.actual += fmt::format("; the load balancer forwarded {} requests to it", forwarded);
        refute(claim, c, server);
    } else if (!sees_macs && forwarded > 0 && forwarded >= tally.aimed_requests && c.answered == c.trace.flows.size()) {
        claim.verdict = Verdict::proved;
        claim.actual =
            fmt::format("the load balancer forwarded {} requests to it, and every flow was answered", forwarded);
    } else if (tally.aimed > 0) {
        claim.actual += "; which server answered is not visible from here";
        claim.fix = "run verify with --lb URL of the load balancer";
    } else {
        claim.actual = "no probe is known to have reached it";
        claim.fix = "run verify with --config F, or with more --probes";
    }
    return claim;
}

// Which servers there are, nobody told.
Claim judge_unknown(const Case& c) {
    Claim claim{.claim = "every-server-answers", .subject = c.subject};
    claim.expected = "every server of the pool answers";
    claim.where = fmt::format("the client, {}", c.vip.path.interface);
    if (c.answered < c.trace.flows.size()) {
        auto path = diagnose_path(c);
        Diagnosis diagnosis = path ? *std::move(path) : diagnose_unattributed(c);
        claim.verdict = Verdict::refuted;
        claim.finding = std::move(diagnosis.finding);
        claim.actual = std::move(diagnosis.actual);
        claim.where = std::move(diagnosis.where);
        claim.fix = std::move(diagnosis.fix);
        return claim;
    }
    std::set<wire::MacAddress> senders;
    for (const FlowTrace& flow : c.trace.flows)
        for (const Reply& reply : flow.replies)
            senders.insert(reply.from);
    claim.actual =
        c.segment.on_link()
            ? fmt::format("{} MAC addresses answered; how many servers there are is not known", senders.size())
            : std::string("which servers there are is not known");
    claim.fix = "run verify with --config F or --lb URL";
    return claim;
}

}  // namespace

std::vector<Claim> judge_every_server_answers(const Case& c) {
    if (c.seen.target.servers.empty()) return {judge_unknown(c)};
    std::vector<Claim> claims;
    for (std::size_t i = 0; i < c.seen.target.servers.size(); ++i)
        claims.push_back(judge_server(c, i));
    return claims;
}

}  // namespace dsr::verify
