// Keeps a prepared host as it should be until it is told to stop: looks at it, repairs what drifted, says so. Knows
// when, and what to leave alone; how to look and to repair, it is given.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/sys/event_loop.hpp"
#include "common/sys/netlink/monitor.hpp"
#include "serverprep/session.hpp"
#include "serverprep/watch/look_times.hpp"
#include "serverprep/watch/metrics.hpp"
#include "serverprep/watch/repair_log.hpp"
#include "serverprep/watch/watch_options.hpp"

namespace dsr::serverprep {

// Which steps to do; the others are left as they are.
using StepFilter = std::function<bool(const Step&)>;

struct Deeds {
    std::function<Report()> look;                            // changes nothing
    std::function<Report(const StepFilter& wanted)> repair;  // holds the lock of the state while it runs
    // Reads anew what is wanted. What is wrong with it, a line each, if it stays as it was.
    std::function<std::vector<std::string>()> reread;
    // Of the data path, by what became of the packets; may be empty.
    std::function<std::map<std::string, std::uint64_t>()> decapsulation;
};

class Guard {
public:
    Guard(Deeds deeds, WatchOptions options);

    // The signals must be blocked (block_signals) before. Returns the program's exit code: 0 after SIGTERM or SIGINT,
    // which leave the host as it is; another if the host could not be prepared at the start.
    int run(sys::EventLoop& loop, netlink::Monitor& monitor);

    static const std::vector<int>& signals();

private:
    using Clock = std::chrono::steady_clock;

    std::optional<int> start();
    Report set_up();
    Result<void> listen(sys::EventLoop& loop, netlink::Monitor& monitor);
    void tick(sys::EventLoop& loop);
    void reload(sys::EventLoop& loop);
    void look();
    void mend(const Report& seen, Clock::time_point now);
    void failed(const Report& seen, const std::string& error, Clock::time_point now);
    void publish(const Report& report);
    void report_trouble(std::string& last, const std::string& now);
    [[nodiscard]] std::string summary() const;
    [[nodiscard]] std::string status() const;

    Deeds deeds_;
    WatchOptions options_;
    LookTimes times_;
    RepairLog log_;
    Metrics metrics_;
    std::string interface_;
    Exit exit_ = Exit::ok;

    // The repair that failed last: not tried again for a while, unless something else is wrong by then.
    struct Failure {
        std::vector<std::string> objects;
        std::chrono::milliseconds pause{0};
        Clock::time_point again;
    };
    std::optional<Failure> failure_;

    std::string look_trouble_, repair_trouble_, metrics_trouble_;  // said already
    std::string status_;
    std::optional<std::chrono::microseconds> alive_every_;
    Clock::time_point alive_next_;
};

}  // namespace dsr::serverprep
