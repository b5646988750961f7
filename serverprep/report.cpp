#include "serverprep/report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

using sys::Cell;
using sys::Colour;
using sys::Painter;

Colour colour_of(StepStatus status) {
    switch (status) {
        case StepStatus::planned:
            return Colour::cyan;
        case StepStatus::done:
            return Colour::green;
        case StepStatus::failed:
        case StepStatus::stuck:
            return Colour::red;
        case StepStatus::rolled_back:
        case StepStatus::kept:
            return Colour::yellow;
    }
    return Colour::plain;
}

std::string steps_table(const std::vector<Step>& steps, const Painter& painter) {
    if (steps.empty()) return {};
    std::vector<std::vector<Cell>> rows{
        {{"STEP", Colour::bold}, {"OBJECT", Colour::bold}, {"BEFORE", Colour::bold}, {"AFTER", Colour::bold}}};
    for (const Step& step : steps)
        rows.push_back({{std::string(to_string(step.status)), colour_of(step.status)},
                        {object(step)},
                        {before_text(step)},
                        {after_text(step)}});
    return format_table(rows, painter) + "\n";
}

std::string findings_text(const std::vector<Finding>& findings, const Painter& painter) {
    std::string text;
    for (const Finding& finding : findings) {
        const Colour colour = finding.severity == Severity::error ? Colour::red : Colour::yellow;
        text += fmt::format("{} {} on {}: {}\n", painter.paint(colour, to_string(finding.severity)),
                            painter.paint(Colour::bold, finding.id), finding.subject, finding.message);
        text += fmt::format("  fix: {}\n", painter.paint(Colour::cyan, finding.fix));
    }
    return text.empty() ? text : text + "\n";
}

std::string commands(const Report& report) {
    std::string text;
    for (const Finding& finding : report.findings)
        if (finding.needs_user)
            text += fmt::format("# {} on {}: left to you: {}\n", finding.id, finding.subject, finding.fix);
    for (const Step& step : report.steps) {
        if (step.status == StepStatus::kept)
            text += fmt::format("# {} was changed by somebody else since: left as it is\n", object(step));
        else
            text += command(step) + "\n";
    }
    return report.steps.empty() ? text + "# nothing to do\n" : text;
}

std::string vips_text(const Report& report) {
    std::string text;
    for (wire::Ipv4Address vip : report.vips)
        text += (text.empty() ? "" : ", ") + wire::to_string(vip);
    return text;
}

std::string closing(const Report& report, const Deed& deed, const Painter& painter) {
    const auto count = static_cast<std::size_t>(
        std::ranges::count_if(report.steps, [](const Step& step) { return step.status != StepStatus::kept; }));
    const std::string vips = vips_text(report);
    const auto changes = [](std::size_t number) { return fmt::format("{} change{}", number, number == 1 ? "" : "s"); };
    if (deed.remove) {
        if (count == 0 && !report.findings.empty()) return "nothing to undo that is on record\n";
        if (deed.action == Action::check) return fmt::format("{} to undo\n", count == 0 ? "nothing" : changes(count));
        return count == 0 ? "nothing to undo\n" : fmt::format("undone for {}: {}\n", vips, changes(count));
    }
    if (report.ok())
        return fmt::format("{} {} is a pool server for {}: {}\n", painter.paint(Colour::green, "ready:"),
                           report.interface, vips, count == 0 ? "nothing to change" : changes(count));
    return fmt::format("{} {} is no correct pool server for {}: {} to make, {} finding{}\n",
                       painter.paint(Colour::red, "not ready:"), report.interface, vips, changes(count),
                       report.findings.size(), report.findings.size() == 1 ? "" : "s");
}

}  // namespace

std::string format_text(const Report& report, const Deed& deed, const Painter& painter) {
    if (!report.error.empty()) return steps_table(report.steps, painter) + findings_text(report.findings, painter);
    if (deed.action == Action::dry_run) return commands(report);
    return steps_table(report.steps, painter) + findings_text(report.findings, painter) +
           closing(report, deed, painter);
}

std::string format_json(const Report& report) {
    using nlohmann::json;
    json steps = json::array();
    for (const Step& step : report.steps)
        steps.push_back({{"object", object(step)},
                         {"before", before_text(step)},
                         {"after", after_text(step)},
                         {"status", to_string(step.status)},
                         {"command", command(step)}});
    json findings = json::array();
    for (const Finding& finding : report.findings)
        findings.push_back({{"id", finding.id},
                            {"severity", to_string(finding.severity)},
                            {"subject", finding.subject},
                            {"message", finding.message},
                            {"fix", finding.fix}});
    json vips = json::array();
    for (wire::Ipv4Address vip : report.vips)
        vips.push_back(wire::to_string(vip));
    json document{{"ok", report.ok()},       {"changed", report.changed()}, {"interface", report.interface},
                  {"vips", std::move(vips)}, {"steps", std::move(steps)},   {"findings", std::move(findings)}};
    if (!report.error.empty()) document["error"] = report.error;
    // Text of the user's may be no UTF-8; the document must be one all the same.
    return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace dsr::serverprep
