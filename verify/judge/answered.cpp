// answered: every probe got an answer from the VIP.
#include <fmt/format.h>

#include "verify/judge/diagnosis.hpp"
#include "verify/judge/judge.hpp"

namespace dsr::verify {
namespace {

// The first server that leaves a flow of its own unanswered.
std::optional<std::size_t> failing_server(const Case& c) {
    for (std::size_t i = 0; i < c.trace.flows.size(); ++i)
        if (!c.trace.flows[i].answered() && c.seen.flows[i].server) return c.seen.flows[i].server;
    return std::nullopt;
}

Diagnosis cause(const Case& c) {
    if (auto path = diagnose_path(c)) return *std::move(path);
    if (const auto server = failing_server(c)) return diagnose_server(c, *server);
    return diagnose_unattributed(c);
}

}  // namespace

Claim judge_answered(const Case& c) {
    Claim claim{.claim = "answered", .subject = c.subject};
    const std::size_t flows = c.trace.flows.size();
    claim.expected = fmt::format("{} answered", count_of(flows, flows));
    claim.actual = fmt::format("{} answered", count_of(c.answered, flows));
    claim.where = fmt::format("the client, {}", c.vip.path.interface);
    if (flows == 0) {
        claim.expected = "probes to judge";
        claim.actual = "no probe could be sent";
        claim.fix = fmt::format("free some of the ports {}..{} on this host", kFirstProbePort, kLastProbePort);
        return claim;
    }
    if (c.answered == flows) {
        claim.verdict = Verdict::proved;
        return claim;
    }
    Diagnosis diagnosis = cause(c);
    claim.verdict = Verdict::refuted;
    claim.finding = std::move(diagnosis.finding);
    claim.actual += ": " + diagnosis.actual;
    claim.where = std::move(diagnosis.where);
    claim.fix = std::move(diagnosis.fix);
    return claim;
}

}  // namespace dsr::verify
