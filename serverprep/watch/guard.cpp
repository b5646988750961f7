#include "serverprep/watch/guard.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include "common/sys/notify.hpp"
#include "serverprep/small_file.hpp"

namespace dsr::serverprep {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLongestPause = 5min;
// The loop waits in milliseconds that fit an int; nothing depends on this tick.
constexpr auto kLongestWait = 1h;

void say(const LogLine& line) {
    fmt::print(stderr, "serverprep: {}{}\n", line.warning ? "warning: " : "", line.text);
}

void say(const LogLines& lines) {
    for (const LogLine& line : lines)
        say(line);
}

std::vector<Step> with_status(const std::vector<Step>& steps, StepStatus status) {
    std::vector<Step> found;
    std::ranges::copy_if(steps, std::back_inserter(found), [&](const Step& step) { return step.status == status; });
    return found;
}

}  // namespace

Guard::Guard(Deeds deeds, WatchOptions options)
    : deeds_(std::move(deeds)), options_(std::move(options)), times_(options_.interval), log_(options_.interval) {}

const std::vector<int>& Guard::signals() {
    static const std::vector<int> kSignals{SIGTERM, SIGINT, SIGHUP};
    return kSignals;
}

int Guard::run(sys::EventLoop& loop, netlink::Monitor& monitor) {
    if (const auto timeout = sys::watchdog_timeout()) alive_every_ = *timeout / 2;
    if (const auto exit = start()) return *exit;
    if (const auto listening = listen(loop, monitor); !listening) {
        say({true, listening.error().message});
        return static_cast<int>(Exit::failed);
    }
    loop.run(kLongestWait, [&] { tick(loop); });
    sys::notify_stopping();
    say({false, "stopped: this host stays as it is"});
    return static_cast<int>(exit_);
}

// As without --watch: what fails at the start ends the program, so that the person who started it sees it.
std::optional<int> Guard::start() {
    const Report report = set_up();
    if (report.exit != Exit::ok) return static_cast<int>(report.exit);
    look();
    say({false, "ready: guarding " + summary()});
    sys::notify_ready(status_ = status());
    return std::nullopt;
}

// What is not there yet because it was not wanted before: no drift.
Report Guard::set_up() {
    Report report = deeds_.repair([](const Step&) { return true; });
    for (const Step& step : with_status(report.steps, StepStatus::done))
        say({false, fmt::format("set {}: {} -> {}", object(step), before_text(step), after_text(step))});
    if (report.error.empty()) return report;
    say(log_.noticed(report.findings));
    say({true, report.error});
    return report;
}

Result<void> Guard::listen(sys::EventLoop& loop, netlink::Monitor& monitor) {
    auto heard = loop.watch(monitor.fd(), [&] {
        const auto drained = monitor.drain();
        if (!drained) {
            say({true, drained.error().message});
            exit_ = Exit::failed;
            return loop.stop();
        }
        if (!*drained) return;
        times_.heard(Clock::now());
        loop.tick_by(times_.next());
    });
    if (!heard) return heard;
    return loop.watch_signals(signals(), [&](int signal) {
        if (signal == SIGHUP)
            reload(loop);
        else
            loop.stop();
    });
}

void Guard::tick(sys::EventLoop& loop) {
    const auto now = Clock::now();
    if (alive_every_ && alive_next_ <= now) {
        sys::notify_alive();
        alive_next_ = now + *alive_every_;
    }
    const auto retry = log_.next_repair(times_.last());
    if (times_.due(now) || (retry && *retry <= now)) look();
    say(log_.calmed(Clock::now()));
    if (std::string now_status = status(); now_status != status_) sys::notify_status(status_ = std::move(now_status));

    loop.tick_by(times_.next());
    if (alive_every_) loop.tick_by(alive_next_);
    if (const auto next = log_.next_repair(Clock::now())) loop.tick_by(*next);
}

void Guard::reload(sys::EventLoop& loop) {
    sys::notify_reloading();
    const auto problems = deeds_.reread();
    for (const std::string& problem : problems)
        say({true, problem});
    if (problems.empty()) {
        failure_.reset();
        (void)set_up();
        look();
        say({false, "reloaded: guarding " + summary()});
    } else {
        say({true, "not reloaded: what was wanted before is still guarded"});
    }
    sys::notify_ready(status_ = status());
    loop.tick_by(times_.next());
}

void Guard::look() {
    const auto begin = Clock::now();
    const Report seen = deeds_.look();
    report_trouble(look_trouble_, seen.error);
    if (!seen.error.empty()) {
        publish(seen);
    } else if (with_status(seen.steps, StepStatus::planned).empty()) {
        failure_.reset();
        report_trouble(repair_trouble_, "");
        say(log_.noticed(seen.findings));
        publish(seen);
    } else {
        mend(seen, begin);
    }
    times_.looked(begin, Clock::now());
}

void Guard::mend(const Report& seen, Clock::time_point now) {
    const StepFilter wanted = [&](const Step& step) { return log_.may_repair(step, now); };
    std::vector<std::string> objects;
    for (const Step& step : with_status(seen.steps, StepStatus::planned))
        if (wanted(step)) objects.push_back(object(step));
    if (objects.empty() || (failure_ && failure_->objects == objects && now < failure_->again)) return publish(seen);

    const Report repaired = deeds_.repair(wanted);
    if (repaired.exit == Exit::failed || repaired.exit == Exit::usage) {
        if (!failure_ || failure_->objects != objects) failure_ = Failure{std::move(objects), {}, {}};
        for (const Step& step : with_status(repaired.steps, StepStatus::failed))
            log_.refused(step, Clock::now());
        return failed(seen, repaired.error, Clock::now());
    }
    failure_.reset();
    report_trouble(repair_trouble_, "");
    const auto done = with_status(repaired.steps, StepStatus::done);
    if (!done.empty()) metrics_.last_repair = std::chrono::system_clock::now();
    say(log_.repaired(done, Clock::now()));
    // A repair does not look at all there is to see: who listens, for one.
    const Report after = deeds_.look();
    report_trouble(look_trouble_, after.error);
    // While something is left alone its faults are there, and were named as a fight.
    if (after.error.empty() && with_status(after.steps, StepStatus::planned).empty()) say(log_.noticed(after.findings));
    publish(after);
}

void Guard::failed(const Report& seen, const std::string& error, Clock::time_point now) {
    failure_->pause =
        std::max<std::chrono::milliseconds>(std::min(2 * failure_->pause, kLongestPause), options_.interval);
    failure_->again = now + failure_->pause;
    say(log_.noticed(seen.findings));
    report_trouble(repair_trouble_, "cannot repair: " + error);
    publish(seen);
}

void Guard::publish(const Report& report) {
    if (report.error.empty()) {
        interface_ = report.interface;
        metrics_.ok = report.ok();
        metrics_.vips = report.vips.size();
        metrics_.findings = report.findings;
        metrics_.last_check = std::chrono::system_clock::now();
    } else {
        metrics_.ok = false;
    }
    metrics_.repairs = log_.repairs();
    metrics_.fights = log_.fights().size();
    if (options_.metrics_file.empty()) return;
    if (deeds_.decapsulation) metrics_.decapsulation = deeds_.decapsulation();
    const auto written = replace_file(options_.metrics_file, render(metrics_), Durable::no);
    report_trouble(metrics_trouble_, written ? "" : written.error().message);
}

// Says what is wrong once, however often it is seen.
void Guard::report_trouble(std::string& last, const std::string& now) {
    if (now == last) return;
    if (now.empty())
        say({false, "no more: " + last});
    else
        say({true, now});
    last = now;
}

std::string Guard::summary() const {
    return fmt::format("{} VIP{} on {}", metrics_.vips, metrics_.vips == 1 ? "" : "s", interface_);
}

std::string Guard::status() const {
    std::uint64_t repairs = 0;
    for (const auto& [object, count] : metrics_.repairs)
        repairs += count;
    std::string text =
        fmt::format("{}: {}; {} repair{}", summary(), metrics_.ok ? "as it should be" : "not as it should be", repairs,
                    repairs == 1 ? "" : "s");
    if (const auto fights = log_.fights(); !fights.empty())
        text += fmt::format("; changed back by something else: {}", fmt::join(fights, ", "));
    return text;
}

}  // namespace dsr::serverprep
