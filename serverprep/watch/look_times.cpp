#include "serverprep/watch/look_times.hpp"

#include <algorithm>

namespace dsr::serverprep {
namespace {

using namespace std::chrono_literals;

// Messages come in bursts.
constexpr auto kSettle = 20ms;
// However many messages come, and however long looks take on this host (they read all routes): looks are this far
// apart, and take at most a tenth of the time.
constexpr auto kBetween = 50ms;
constexpr int kShare = 9;
// udev applies rp_filter some 40 ms after a device appeared, on a busy host later.
constexpr auto kSoonAfter = 100ms;
constexpr auto kWellAfter = 1s;

}  // namespace

void LookTimes::heard(Time now) {
    if (!settled_) settled_ = now + kSettle;
    soon_after_ = now + kSoonAfter;
    well_after_ = now + kWellAfter;
}

void LookTimes::looked(Time begin, Time end) {
    last_look_ = end;
    earliest_ = end + std::min<Clock::duration>(std::max<Clock::duration>(kBetween, kShare * (end - begin)), interval_);
    // What was heard since the look began was not seen by it.
    for (auto* time : {&settled_, &soon_after_, &well_after_})
        if (*time && **time <= begin) time->reset();
}

LookTimes::Time LookTimes::next() const {
    Time next = last_look_ + interval_;
    for (const auto& time : {settled_, soon_after_, well_after_})
        if (time) next = std::min(next, *time);
    return std::max(next, earliest_);
}

}  // namespace dsr::serverprep
