// What the guard says of its repairs, and how long it leaves alone an object that something else keeps changing back.
// Pure: is told the time, returns lines. Does not know how a repair is done.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "serverprep/judge/finding.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {

struct LogLine {
    bool warning = false;
    std::string text;

    friend bool operator==(const LogLine&, const LogLine&) = default;
};
using LogLines = std::vector<LogLine>;

class RepairLog {
public:
    using Time = std::chrono::steady_clock::time_point;

    // How often the host is looked at when nothing happens: a slow look sees a fight slowly.
    explicit RepairLog(std::chrono::milliseconds interval);

    // These steps were done, because the host had drifted. Says each, until it is a fight.
    LogLines repaired(const std::vector<Step>& done, Time now);
    // The kernel did not take or keep this step: its object is left alone for a while, too, and the others need not
    // wait.
    void refused(const Step& step, Time now);
    // What is as it is now and no step mends: says what is new and what has gone.
    LogLines noticed(const std::vector<Finding>& findings);
    // To be called now and then: ends the fights that have been calm for ten minutes.
    LogLines calmed(Time now);

    // False while an object that is fought over is left alone.
    [[nodiscard]] bool may_repair(const Step& step, Time now) const;
    // When the first of the objects left alone may be repaired again.
    [[nodiscard]] std::optional<Time> next_repair(Time now) const;

    [[nodiscard]] const std::map<std::string, std::uint64_t>& repairs() const { return repairs_; }
    [[nodiscard]] std::set<std::string> fights() const;

private:
    struct Object {
        void leave_alone(Time now);

        std::deque<Time> recent;        // repairs within the window, the last one always
        std::chrono::seconds pause{0};  // 0: no fight
        Time left_alone_until;
    };

    std::chrono::milliseconds window_;
    std::map<std::string, Object> objects_;
    std::map<std::string, std::uint64_t> repairs_;
    std::map<std::string, Finding> findings_;  // by id and subject
};

}  // namespace dsr::serverprep
