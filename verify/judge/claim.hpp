// The vocabulary of a verdict: a claim about a subject, and what became of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dsr::verify {

enum class Verdict : std::uint8_t { proved, not_shown, refuted };  // in order of severity

struct Claim {
    std::string claim{};    // "answered", "bypasses-lb", …
    std::string subject{};  // what it is about: a service, a server of it, or a VIP
    Verdict verdict = Verdict::not_shown;
    std::optional<std::string> finding{};  // id of the fault matrix; nothing when none of them fits the evidence
    std::string expected{};
    std::string actual{};
    std::string where{};  // the place the evidence points at
    std::string fix{};    // empty when proved
};

std::string_view name(Verdict verdict);  // "proved", "refuted", "not-shown"

// Refuted when a claim is refuted, else not shown when one is not shown (or there is none), else proved.
Verdict overall(const std::vector<Claim>& claims);

}  // namespace dsr::verify
