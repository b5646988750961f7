#include "lb/dataplane/verdict.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace dsr;
using namespace dsr::lb;

TEST_CASE("every drop reason has a name of its own") {
    std::set<std::string_view> names;
    for (std::size_t reason = 0; reason < kDropCount; ++reason)
        names.insert(name(static_cast<Drop>(reason)));
    CHECK(names.size() == kDropCount);
    CHECK_FALSE(names.contains("unknown"));
}

TEST_CASE("every verdict and every answer has a name of its own, and no reason is called like an answer") {
    std::set<std::string_view> names;
    for (std::size_t verdict = 0; verdict <= static_cast<std::size_t>(Verdict::held); ++verdict)
        names.insert(name(static_cast<Verdict>(verdict)));
    CHECK(names.size() == static_cast<std::size_t>(Verdict::held) + 1);
    CHECK_FALSE(names.contains("unknown"));
    // Both stand in the same column of `lb replay --verdicts`.
    std::set<std::string_view> reasons;
    for (std::size_t answer = 0; answer < kAnswerCount; ++answer)
        reasons.insert(name(static_cast<Answer>(answer)));
    for (std::size_t reason = 0; reason < kDropCount; ++reason)
        reasons.insert(name(static_cast<Drop>(reason)));
    CHECK(reasons.size() == kAnswerCount + kDropCount);
    CHECK_FALSE(reasons.contains("unknown"));
}

TEST_CASE("a malformed packet's drop reason is called like the parser's error") {
    for (std::size_t error = 0; error < wire::kParseErrorCount; ++error) {
        const auto parse_error = static_cast<wire::ParseError>(error);
        CHECK(name(drop_of(parse_error)) == wire::name(parse_error));
    }
}
