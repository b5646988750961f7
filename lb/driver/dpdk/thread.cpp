#include "lb/driver/dpdk/thread.hpp"

#include <rte_lcore.h>
#include <sched.h>

#include "lb/driver/dpdk/idle.hpp"

namespace dsr::lb {

void join_dpdk(const std::vector<std::uint32_t>& cores) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    for (const std::uint32_t core : cores)
        CPU_SET(core, &mask);
    // The cores were found usable before; if they have gone since, the thread runs elsewhere.
    if (!cores.empty()) (void)::sched_setaffinity(0, sizeof mask, &mask);
    // Without, if DPDK knows too many threads already: slower, and otherwise the same.
    if (rte_lcore_id() == LCORE_ID_ANY) (void)rte_thread_register();
    Idle::prepare_thread();
}

}  // namespace dsr::lb
