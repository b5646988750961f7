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

std::string name_of(const FilterCounters& counters) {
    return fmt::format("{} {}", word_of(counters.role), counters.link);
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
        if (finding.blocks)
            text += fmt::format("# {} on {}: left to you: {}\n", finding.id, finding.subject, finding.fix);
    for (const Step& step : report.steps) {
        if (step.status == StepStatus::kept)
            text += fmt::format("# {} was changed by somebody else since: left as it is\n", object(step));
        else
            text += command(step) + "\n";
    }
    return report.steps.empty() ? text + "# nothing to do\n" : text;
}

std::string remarks_text(const std::vector<std::string>& not_looked_at, const Painter& painter) {
    std::string text;
    for (const std::string& remark : not_looked_at)
        text += fmt::format("{} {}\n", painter.paint(Colour::bold, "not looked at:"), remark);
    return text.empty() ? text : text + "\n";
}

// Nothing of what stayed 0.
std::string counters_text(const std::vector<FilterCounters>& counters) {
    std::string text;
    for (const FilterCounters& filter : counters) {
        std::string values;
        for (const auto& [name, value] : filter.values)
            if (value != 0) values += fmt::format("{}{} {}", values.empty() ? "" : ", ", name, value);
        if (!values.empty()) text += fmt::format("{}{}: {}", text.empty() ? "" : "; ", name_of(filter), values);
    }
    return text.empty() ? text : fmt::format("counted: {}\n\n", text);
}

std::string saved_text(const Report& report) {
    std::string text;
    for (const std::string& path : report.saved)
        text += (text.empty() ? "for the next boot: " : ", ") + path;
    return text.empty() ? text : text + "\n";
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
    if (report.vips.empty() && report.steps.empty()) return "nothing is on record\n";
    if (deed.action == Action::fix)
        return count == 0 && report.saved.empty()
                   ? "nothing to mend\n"
                   : fmt::format("{} {}\n", painter.paint(Colour::green, "mended:"), changes(count));
    if (report.vips.empty() && deed.action != Action::fix && report.ok())
        return count == 0 ? "nothing is on record\n" : fmt::format("undone: {}\n", changes(count));
    if (report.ok())
        return fmt::format("{} {} is a pool server for {}: {}\n", painter.paint(Colour::green, "ready:"),
                           report.interface, vips, count == 0 ? "nothing to change" : changes(count));
    return fmt::format("{} this host is no correct pool server for {} on {}: {} to make, {} finding{}\n",
                       painter.paint(Colour::red, "not ready:"), vips, report.interface, changes(count),
                       report.findings.size(), report.findings.size() == 1 ? "" : "s");
}

}  // namespace

std::string format_text(const Report& report, const Deed& deed, const Painter& painter) {
    if (deed.action == Action::dry_run && report.error.empty()) return commands(report);
    const std::string body = steps_table(report.steps, painter) + findings_text(report.findings, painter) +
                             remarks_text(report.not_looked_at, painter) + counters_text(report.counters) +
                             saved_text(report);
    return report.error.empty() ? body + closing(report, deed, painter) : body;
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
                            {"fix", finding.fix},
                            {"blocks", finding.blocks}});
    json vips = json::array();
    for (wire::Ipv4Address vip : report.vips)
        vips.push_back(wire::to_string(vip));
    json counters = json::object();
    for (const FilterCounters& filter : report.counters)
        counters[name_of(filter)] = filter.values;
    json document{{"ok", report.ok()},
                  {"changed", report.changed()},
                  {"interface", report.interface},
                  {"vips", std::move(vips)},
                  {"steps", std::move(steps)},
                  {"findings", std::move(findings)},
                  {"counters", std::move(counters)},
                  {"not_looked_at", report.not_looked_at},
                  {"saved", report.saved}};
    if (!report.error.empty()) document["error"] = report.error;
    // Text of the user's may be no UTF-8; the document must be one all the same.
    return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace dsr::serverprep
