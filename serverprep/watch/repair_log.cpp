#include "serverprep/watch/repair_log.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace dsr::serverprep {
namespace {

using namespace std::chrono_literals;

// So many repairs of one object within the window are a fight.
constexpr std::size_t kFight = 3;
constexpr std::chrono::milliseconds kWindow = 1min;
constexpr std::chrono::seconds kFirstPause = 10s;
constexpr std::chrono::seconds kLongestPause = 5min;
constexpr auto kCalm = 10min;

std::string key(const Finding& finding) {
    return finding.id + ' ' + finding.subject;
}

}  // namespace

RepairLog::RepairLog(std::chrono::milliseconds interval)
    : window_(std::max<std::chrono::milliseconds>(kWindow, (kFight + 1) * interval)) {}

void RepairLog::Object::leave_alone(Time now) {
    pause = pause > 0s ? std::min(2 * pause, kLongestPause) : kFirstPause;
    left_alone_until = now + pause;
}

LogLines RepairLog::repaired(const std::vector<Step>& done, Time now) {
    LogLines lines;
    for (const Step& step : done) {
        const std::string name = object(step);
        ++repairs_[name];
        Object& drifted = objects_[name];
        drifted.recent.push_back(now);
        while (drifted.recent.front() < now - window_)
            drifted.recent.pop_front();
        if (drifted.pause > 0s) {
            drifted.leave_alone(now);
            continue;
        }
        lines.push_back({false, fmt::format("repaired {}: {} -> {}", name, before_text(step), after_text(step))});
        if (drifted.recent.size() < kFight) continue;
        drifted.leave_alone(now);
        const auto within = std::chrono::ceil<std::chrono::seconds>(now - drifted.recent.front());
        lines.push_back(
            {true, fmt::format("{} was changed back {} times within {} s: something else manages it; next "
                               "repair in {} s, then less and less often",
                               name, drifted.recent.size(), std::max(within, 1s).count(), drifted.pause.count())});
    }
    return lines;
}

void RepairLog::refused(const Step& step, Time now) {
    Object& fought = objects_[object(step)];
    fought.recent.push_back(now);
    fought.leave_alone(now);
}

LogLines RepairLog::noticed(const std::vector<Finding>& findings) {
    LogLines lines;
    std::map<std::string, Finding> now;
    for (const Finding& finding : findings) {
        if (!findings_.contains(key(finding)))
            lines.push_back({true, fmt::format("{}: {}: {}{}{}", finding.id, finding.subject, finding.message,
                                               finding.fix.empty() ? "" : "; fix: ", finding.fix)});
        now.emplace(key(finding), finding);
    }
    for (const auto& [name, finding] : findings_)
        if (!now.contains(name)) lines.push_back({false, fmt::format("{}: {}: no more", finding.id, finding.subject)});
    findings_ = std::move(now);
    return lines;
}

LogLines RepairLog::calmed(Time now) {
    LogLines lines;
    std::erase_if(objects_, [&](const auto& entry) {
        const auto& [name, object] = entry;
        if (now - object.recent.back() < std::max<std::chrono::milliseconds>(kCalm, window_)) return false;
        if (object.pause > 0s)
            lines.push_back(
                {false, fmt::format("{} has not been changed for {} min: the next change is repaired at once", name,
                                    kCalm.count())});
        return true;
    });
    return lines;
}

bool RepairLog::may_repair(const Step& step, Time now) const {
    const auto found = objects_.find(object(step));
    return found == objects_.end() || found->second.left_alone_until <= now;
}

std::optional<RepairLog::Time> RepairLog::next_repair(Time now) const {
    std::optional<Time> next;
    for (const auto& [name, object] : objects_)
        if (object.left_alone_until > now) next = std::min(next.value_or(Time::max()), object.left_alone_until);
    return next;
}

std::set<std::string> RepairLog::fights() const {
    std::set<std::string> names;
    for (const auto& [name, object] : objects_)
        if (object.pause > 0s) names.insert(name);
    return names;
}

}  // namespace dsr::serverprep
