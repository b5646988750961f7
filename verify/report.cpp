#include "verify/report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

namespace dsr::verify {
namespace {

using sys::Cell;
using sys::Colour;

Colour colour_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::proved:
            return Colour::green;
        case Verdict::not_shown:
            return Colour::yellow;
        case Verdict::refuted:
            return Colour::red;
    }
    return Colour::plain;
}

std::string table(const std::vector<Claim>& claims, const sys::Painter& painter) {
    std::vector<std::vector<Cell>> rows{
        {{"VERDICT", Colour::bold}, {"CLAIM", Colour::bold}, {"SUBJECT", Colour::bold}, {"EVIDENCE", Colour::bold}}};
    for (const Claim& claim : claims) {
        // Only a proof is told here; the rest has its own paragraph.
        const std::string evidence =
            claim.verdict == Verdict::proved ? claim.actual : claim.finding.value_or("see below");
        rows.push_back({{std::string(name(claim.verdict)), colour_of(claim.verdict)},
                        {claim.claim, Colour::plain},
                        {claim.subject, Colour::plain},
                        {evidence, claim.verdict == Verdict::proved ? Colour::dim : colour_of(claim.verdict)}});
    }
    return sys::format_table(rows, painter);
}

std::string paragraph(const Claim& claim, const sys::Painter& painter) {
    std::string title = fmt::format("{} {}: {}", claim.claim, claim.subject, name(claim.verdict));
    if (claim.finding) title += ", " + *claim.finding;
    std::string text = "\n" + painter.paint(colour_of(claim.verdict), title) + "\n";
    const std::pair<const char*, const std::string&> lines[] = {
        {"expected", claim.expected}, {"actual", claim.actual}, {"where", claim.where}, {"fix", claim.fix}};
    for (const auto& [label, value] : lines)
        if (!value.empty()) text += fmt::format("  {:<10}{}\n", label, value);
    return text;
}

std::string summary(const std::vector<Claim>& claims, const sys::Painter& painter) {
    const auto count = [&](Verdict verdict) { return std::ranges::count(claims, verdict, &Claim::verdict); };
    const Verdict verdict = overall(claims);
    return fmt::format("\n{}: {} proved, {} refuted, {} not shown\n", painter.paint(colour_of(verdict), name(verdict)),
                       count(Verdict::proved), count(Verdict::refuted), count(Verdict::not_shown));
}

}  // namespace

std::string report_text(const std::vector<Claim>& claims, const sys::Painter& painter) {
    std::string text = table(claims, painter);
    for (const Verdict verdict : {Verdict::refuted, Verdict::not_shown})
        for (const Claim& claim : claims)
            if (claim.verdict == verdict) text += paragraph(claim, painter);
    return text + summary(claims, painter);
}

std::string report_json(const std::vector<Claim>& claims) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Claim& claim : claims) {
        nlohmann::ordered_json entry;
        entry["claim"] = claim.claim;
        entry["subject"] = claim.subject;
        entry["verdict"] = name(claim.verdict);
        entry["finding"] = nullptr;
        if (claim.finding) entry["finding"] = *claim.finding;
        entry["expected"] = claim.expected;
        entry["actual"] = claim.actual;
        entry["where"] = claim.where;
        entry["fix"] = claim.fix;
        list.push_back(std::move(entry));
    }
    nlohmann::ordered_json document;
    document["verdict"] = name(overall(claims));
    document["claims"] = std::move(list);
    return document.dump() + "\n";
}

int exit_status(const std::vector<Claim>& claims) {
    switch (overall(claims)) {
        case Verdict::proved:
            return 0;
        case Verdict::refuted:
            return 1;
        case Verdict::not_shown:
            return 3;
    }
    return 3;
}

}  // namespace dsr::verify
