// The pure judge: observations in, claims out. One function a claim, one file each; README.md says what each one can
// prove and what it cannot.
#pragma once

#include <cstddef>
#include <vector>

#include "verify/judge/case.hpp"
#include "verify/judge/claim.hpp"
#include "verify/observation.hpp"

namespace dsr::verify {

// For each target answered, source-is-vip, bypasses-lb, every-server-answers (one for each known server), flow-sticks;
// for each VIP only-lb-answers-arp. That last one is left out for a VIP behind a router when the load balancer's
// counters show that it got the requests: ARP for the VIP is no part of that path.
std::vector<Claim> judge(const Observation& observation);

// Of one target.
Claim judge_answered(const Case& c);
Claim judge_source_is_vip(const Case& c);
Claim judge_bypasses_lb(const Case& c);
std::vector<Claim> judge_every_server_answers(const Case& c);
Claim judge_flow_sticks(const Case& c);

// Of one VIP.
Claim judge_only_lb_answers_arp(const VipObservation& vip, const VipTrace& trace, const Segment& segment);

}  // namespace dsr::verify
