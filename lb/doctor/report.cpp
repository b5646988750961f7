#include "lb/doctor/report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace dsr::lb::doctor {
namespace {

using sys::Cell;
using sys::Colour;

std::string_view text(Severity severity) {
    return severity == Severity::error ? "error" : "warning";
}

Colour colour_of(Severity severity) {
    return severity == Severity::error ? Colour::red : Colour::yellow;
}

std::string counted(std::size_t number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

std::string closing(const Diagnosis& diagnosis) {
    if (diagnosis.findings.empty()) return "nothing found that would keep lb from running here\n";
    const auto errors =
        static_cast<std::size_t>(std::ranges::count(diagnosis.findings, Severity::error, &Finding::severity));
    return counted(errors, "error") + ", " + counted(diagnosis.findings.size() - errors, "warning") + "\n";
}

}  // namespace

std::string format_text(const Diagnosis& diagnosis, const sys::Painter& painter) {
    std::vector<std::vector<Cell>> rows;
    for (const auto& checked : diagnosis.checked)
        rows.push_back({{"ok", Colour::green}, {""}, {checked.subject}, {checked.message, Colour::dim}});
    for (const auto& finding : diagnosis.findings) {
        rows.push_back({{std::string(text(finding.severity)), colour_of(finding.severity)},
                        {finding.id, Colour::bold},
                        {finding.subject},
                        {finding.message}});
        rows.push_back({{""}, {""}, {""}, {"fix: " + finding.fix, Colour::cyan}});
    }
    return sys::format_table(rows, painter) + closing(diagnosis);
}

std::string format_json(const Diagnosis& diagnosis) {
    using nlohmann::json;
    json findings = json::array();
    for (const auto& finding : diagnosis.findings)
        findings.push_back({{"id", finding.id},
                            {"severity", text(finding.severity)},
                            {"subject", finding.subject},
                            {"message", finding.message},
                            {"fix", finding.fix}});
    json checked = json::array();
    for (const auto& each : diagnosis.checked)
        checked.push_back({{"subject", each.subject}, {"message", each.message}});
    const json document{{"ok", diagnosis.findings.empty()}, {"findings", findings}, {"checked", checked}};
    // A name of the user's may be no UTF-8; the document must be one all the same.
    return document.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace dsr::lb::doctor
