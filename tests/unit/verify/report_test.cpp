#include "verify/report.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/unit/verify/scene.hpp"

namespace dsr::verify::test {
namespace {

const Claim kProved{
    .claim = "answered", .subject = "203.0.113.10:80/tcp", .verdict = Verdict::proved, .actual = "8 of 8"};
const Claim kNotShown{
    .claim = "bypasses-lb", .subject = "203.0.113.10:80/tcp", .actual = "no evidence", .fix = "use --lb"};
const Claim kRefuted{.claim = "every-server-answers",
                     .subject = "203.0.113.10:80/tcp on 10.0.0.12",
                     .verdict = Verdict::refuted,
                     .finding = "vip-missing",
                     .expected = "4 of 4 flows answered by it",
                     .actual = "0 of 4 flows answered",
                     .where = "server 10.0.0.12",
                     .fix = "run serverprep"};

TEST_CASE("the worst claim is the verdict and the exit status") {
    CHECK(exit_status({kProved, kProved}) == 0);
    CHECK(exit_status({kProved, kRefuted, kNotShown}) == 1);
    CHECK(exit_status({kProved, kNotShown}) == 3);
    CHECK(exit_status({}) == 3);
}

TEST_CASE("the JSON document has the contract's keys and values, on one line") {
    const std::string text = report_json({kProved, kRefuted});
    CHECK(text.find('\n') == text.size() - 1);
    const auto document = nlohmann::json::parse(text);
    CHECK(document.size() == 2);
    CHECK(document["verdict"] == "refuted");
    REQUIRE(document["claims"].size() == 2);
    for (const auto& claim : document["claims"]) {
        std::set<std::string> keys;
        for (const auto& [key, value] : claim.items())
            keys.insert(key);
        CHECK(keys ==
              std::set<std::string>{"claim", "subject", "verdict", "finding", "expected", "actual", "where", "fix"});
    }
    CHECK(document["claims"][0]["finding"].is_null());
    CHECK(document["claims"][0]["verdict"] == "proved");
    CHECK(document["claims"][1]["finding"] == "vip-missing");
    CHECK(nlohmann::json::parse(report_json({kNotShown}))["claims"][0]["verdict"] == "not-shown");
}

TEST_CASE("the table spells out what is wrong, and is coloured only when asked to") {
    const std::string plain = report_text({kProved, kNotShown, kRefuted}, sys::Painter(false));
    CHECK(plain.find('\033') == std::string::npos);
    for (const char* words : {"VERDICT", "vip-missing", "server 10.0.0.12", "run serverprep", "use --lb",
                              "refuted: 1 proved, 1 refuted, 1 not shown"})
        CHECK_THAT(plain, Catch::Contains(words));
    CHECK(plain.find("every-server-answers 203") < plain.find("bypasses-lb 203"));  // the worst first
    CHECK_THAT(report_text({kProved}, sys::Painter(true)), Catch::Contains("\033[32mproved"));
}

}  // namespace
}  // namespace dsr::verify::test
