// From silence or a refusal to its cause: which fault of the matrix the evidence names, and where. Pure.
// What cannot be told apart from the client's place has no finding, and says so.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "verify/judge/case.hpp"

namespace dsr::verify {

struct Diagnosis {
    std::optional<std::string> finding;
    std::string actual;
    std::string where;
    std::string fix;
};

// The load balancer's host answers requests itself: replies have its MAC and a TTL that nobody decremented.
bool lb_answers_itself(const Case& c);

// A cause outside the servers, which explains every silence: the load balancer is not reached, does not forward, or
// gets the replies. Nothing when the evidence shows none of these.
std::optional<Diagnosis> diagnose_path(const Case& c);

// Why the server at this index of Target::servers does not answer through the load balancer.
Diagnosis diagnose_server(const Case& c, std::size_t server);

// Why flows are unanswered when nobody told which servers there are, or the VIP as a whole is silent.
Diagnosis diagnose_unattributed(const Case& c);

}  // namespace dsr::verify
