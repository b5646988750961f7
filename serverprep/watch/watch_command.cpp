#include "serverprep/watch/watch_command.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "common/sys/event_loop.hpp"
#include "common/sys/netlink/monitor.hpp"
#include "serverprep/kernel/bpf_filters.hpp"
#include "serverprep/session.hpp"
#include "serverprep/watch/guard.hpp"

namespace dsr::serverprep {
namespace {

int refuse(const std::string& message) {
    fmt::print(stderr, "serverprep: {}\n", message);
    return static_cast<int>(Exit::failed);
}

// What is on record is read anew at every look anyway. A request that cannot be met on this host does not take the
// place of one that could.
std::vector<std::string> replace_request(Request& request, const Options& options, Kernel& kernel) {
    if (options.restore) return {};
    const Report report = prepare(options.request, {.action = Action::check}, kernel, options.state_directory);
    if (report.exit == Exit::usage) return {report.error};
    request = options.request;
    return {};
}

// Of the filters that decapsulate, summed over interfaces.
std::map<std::string, std::uint64_t> decapsulation_counters() {
    std::map<std::string, std::uint64_t> sum;
    const auto counters = filter_counters();
    if (!counters) return sum;
    for (const FilterCounters& filter : *counters)
        if (filter.role == FilterRole::decapsulate)
            for (const auto& [name, value] : filter.values)
                sum[name] += value;
    return sum;
}

}  // namespace

int watch(const Options& options, Kernel& kernel, const Reread& reread) {
    // Before the first change: a signal in the middle of it waits until there is something to end in order.
    sys::block_signals(Guard::signals());
    // Opened before the first look: what changes after it is heard.
    auto monitor = netlink::Monitor::open();
    if (!monitor) return refuse(monitor.error().message);
    auto loop = sys::EventLoop::create();
    if (!loop) return refuse(loop.error().message);

    Request request = options.request;
    const auto survival = survival_of_this_host(options.restore);
    Task look = options.task;
    look.action = Action::check;
    Task repair = options.task;
    // Takes programs of others, each of which may take its time: not every few seconds, and not between two heartbeats.
    look.packet_filter = repair.packet_filter = false;
    if (survival) look.survival = repair.survival = &*survival;
    const auto run = [&](const Task& task) {
        return options.restore ? restore(task, kernel, options.state_directory)
                               : prepare(request, task, kernel, options.state_directory);
    };
    if (const Report report = run(look); report.exit != Exit::failed && report.vips.empty() && options.restore)
        return refuse("nothing is on record to guard: say which VIPs, or prepare this host first");
    const Deeds deeds{
        .look = [&] { return run(look); },
        .repair =
            [&](const StepFilter& wanted) {
                repair.may_do = wanted;
                return run(repair);
            },
        .reread = [&]() -> std::vector<std::string> {
            const auto options_now = reread();
            if (!options_now) return options_now.error().errors;
            return replace_request(request, *options_now, kernel);
        },
        .decapsulation = decapsulation_counters,
    };
    return Guard(deeds, *options.watch).run(*loop, *monitor);
}

}  // namespace dsr::serverprep
