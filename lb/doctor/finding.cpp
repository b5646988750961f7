#include "lb/doctor/finding.hpp"

#include <algorithm>

namespace dsr::lb::doctor {
namespace {

// Two devices may suffer from the same thing, such as a module that is not loaded: once is enough.
template <typename Entry>
void add_once(std::vector<Entry>& entries, Entry entry) {
    if (std::ranges::find(entries, entry) == entries.end()) entries.push_back(std::move(entry));
}

}  // namespace

void Diagnosis::error(std::string id, std::string subject, std::string message, std::string fix) {
    add_once(findings, Finding{std::move(id), Severity::error, std::move(subject), std::move(message), std::move(fix)});
}

void Diagnosis::warning(std::string id, std::string subject, std::string message, std::string fix) {
    add_once(findings,
             Finding{std::move(id), Severity::warning, std::move(subject), std::move(message), std::move(fix)});
}

void Diagnosis::fine(std::string subject, std::string message) {
    add_once(checked, Checked{std::move(subject), std::move(message)});
}

}  // namespace dsr::lb::doctor
