// When a polling thread rests: never while there is traffic, and so little otherwise that the first packet hardly
// waits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>

#include <rte_cycles.h>
#include <rte_pause.h>
#include <sys/prctl.h>

namespace dsr::lb {

class Idle {
public:
    // By the thread itself: sleeps then last what they say, not 50 microseconds more.
    static void prepare_thread() { (void)::prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL); }

    void busy() { since_ = 0; }
    // After an empty poll. Gives a core that others want, too, back to them: the longer, the longer it has been quiet.
    void rest() {
        const std::uint64_t now = rte_get_tsc_cycles();
        if (since_ == 0) since_ = now;
        const std::uint64_t quiet = (now - since_) * 1'000'000 / rte_get_tsc_hz();
        if (quiet < kSpinMicroseconds) return rte_pause();
        const std::uint64_t nap = std::min(quiet / kShareOfQuiet, kLongestNapMicroseconds);
        const timespec time{0, static_cast<long>(nap * 1000)};
        ::nanosleep(&time, nullptr);
    }

private:
    static constexpr std::uint64_t kSpinMicroseconds = 200;
    static constexpr std::uint64_t kShareOfQuiet = 16;
    static constexpr std::uint64_t kLongestNapMicroseconds = 100;
    std::uint64_t since_ = 0;  // cycles; 0: traffic
};

}  // namespace dsr::lb
