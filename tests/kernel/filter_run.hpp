// One filter, installed as serverprep does it on a link of a namespace of its own, run on single frames
// (BPF_PROG_TEST_RUN): what becomes of them, and what is counted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/wire/headers.hpp"
#include "network.hpp"
#include "serverprep/filter.hpp"

namespace dsr::test {

using Frame = std::vector<std::uint8_t>;
constexpr int kGoesOn = -1;  // TC_ACT_UNSPEC
constexpr int kDropped = 2;  // TC_ACT_SHOT

struct Ran {
    int verdict;
    Frame frame;
    std::string counted;  // the names of counters that went up, each by one; joined by '+'
};

class FilterRun {
public:
    explicit FilterRun(serverprep::Filter filter);  // its link is set here
    Ran run(wire::Bytes frame);

private:
    using Counters = std::map<std::string, std::uint64_t>;
    static Counters counters();
    Namespace space_;
    sys::UniqueFd program_;
    Counters counted_;  // so far
};

}  // namespace dsr::test
