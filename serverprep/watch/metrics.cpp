#include "serverprep/watch/metrics.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <string_view>

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

std::string escaped(std::string_view value) {
    std::string text;
    for (const char c : value) {
        if (c == '\\' || c == '"') text += '\\';
        if (c == '\n')
            text += "\\n";
        else
            text += c;
    }
    return text;
}

class Text {
public:
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
    }
    template <typename Value>
    void sample(const std::string& labels, Value value) {
        fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name_, labels, value);
    }
    void time(std::string_view name, std::string_view help, std::optional<Metrics::Time> value) {
        if (!value) return;
        family(name, "gauge", help);
        sample("", fmt::format("{:.3f}", std::chrono::duration<double>(value->time_since_epoch()).count()));
    }
    std::string take() { return std::move(text_); }

private:
    std::string_view name_;
    std::string text_;
};

std::string label(std::string_view name, std::string_view value) {
    return fmt::format("{{{}=\"{}\"}}", name, escaped(value));
}

void findings(Text& text, const std::vector<Finding>& found) {
    text.family("serverprep_finding", "gauge", "Whether this finding is there, as the host is now");
    std::set<std::string> ids(finding_ids().begin(), finding_ids().end());
    for (const Finding& finding : found)
        ids.insert(finding.id);
    for (const std::string& id : ids)
        for (const Severity severity : {Severity::error, Severity::warning})
            text.sample(
                fmt::format("{{id=\"{}\",severity=\"{}\"}}", escaped(id), to_string(severity)),
                std::ranges::any_of(
                    found, [&](const Finding& finding) { return finding.id == id && finding.severity == severity; })
                    ? 1
                    : 0);
}

}  // namespace

std::string render(const Metrics& metrics) {
    Text text;
    text.family("serverprep_build_info", "gauge", "Always 1; the version is a label");
    text.sample(label("version", DSR_VERSION), 1);
    text.family("serverprep_ok", "gauge", "Whether this host is as a pool server should be, now");
    text.sample("", metrics.ok ? 1 : 0);
    text.family("serverprep_vips", "gauge", "VIPs that this host is to serve");
    text.sample("", metrics.vips);
    findings(text, metrics.findings);
    text.family("serverprep_fights", "gauge", "Objects that something else keeps changing back");
    text.sample("", metrics.fights);
    if (!metrics.repairs.empty()) {
        text.family("serverprep_repairs_total", "counter", "Repairs of drift since the start");
        for (const auto& [object, count] : metrics.repairs)
            text.sample(label("object", object), count);
    }
    text.time("serverprep_last_check_timestamp_seconds", "When this host was last looked at", metrics.last_check);
    text.time("serverprep_last_repair_timestamp_seconds", "When drift was last repaired", metrics.last_repair);
    if (!metrics.decapsulation.empty()) {
        text.family("serverprep_decapsulation_packets_total", "counter", "Tunnelled packets by what became of them");
        for (const auto& [result, count] : metrics.decapsulation)
            text.sample(label("result", result), count);
    }
    return text.take();
}

}  // namespace dsr::serverprep
