#include "lb/dataplane/flow_table.hpp"

#include <algorithm>
#include <bit>
#include <new>

#include <sys/mman.h>

namespace dsr::lb {
namespace {

using enum FlowState;

constexpr FlowState kNext[6][4] = {
    // data      syn          fin      rst
    {half_open, half_open, closing, reset},      // free: a new flow
    {established, half_open, closing, reset},    // half_open
    {established, established, closing, reset},  // established
    {closing, half_open, closing, reset},        // closing
    {established, half_open, closing, reset},    // reset
    {established, established, closing, reset},  // lasting
};

// Seconds. A client sends its SYN again after 1, 3, 7, 15 and 31 s; after FIN the other direction may go on for a
// while; after RST only what was under way may still come.
constexpr std::uint16_t kHalfOpenTimeout = 60;
constexpr std::uint16_t kClosingTimeout = 60;
constexpr std::uint16_t kResetTimeout = 10;

std::uint16_t own_timeout(FlowState state) {
    if (state == half_open) return kHalfOpenTimeout;
    return state == closing ? kClosingTimeout : kResetTimeout;
}

constexpr std::size_t kHugePage = std::size_t{2} << 20U;

}  // namespace

void FlowTable::Free::operator()(Bucket* buckets) const {
    ::operator delete[](buckets, std::align_val_t{kHugePage});
}

FlowTable::FlowTable(std::size_t entries) : mask_(std::bit_ceil(std::max<std::size_t>(entries, kWays)) / kWays - 1) {
    void* memory = ::operator new[](this->memory(), std::align_val_t{kHugePage});
    // Random lookups in a large table miss the TLB as well as the cache; huge pages spare the first. A wish, not a
    // need.
    if (this->memory() >= kHugePage) (void)::madvise(memory, this->memory(), MADV_HUGEPAGE);
    buckets_.reset(static_cast<Bucket*>(memory));
    std::uninitialized_fill_n(buckets_.get(), bucket_count(), Bucket{});  // touches every page: none is missing later
}

FlowTable::Entry* FlowTable::search(Entry (&entries)[kWays], Key key, std::uint16_t vip_id, FlowTime now) {
    for (Entry& entry : entries)
        if (entry.key == key.value && entry.vip_id == vip_id && live(entry, now)) return &entry;
    return nullptr;
}

FlowTable::Entry* FlowTable::insert(Key key, std::uint16_t vip_id, std::uint64_t flow_hash, FlowTime now) {
    Entry* chosen = nullptr;
    for (Entry& entry : bucket(flow_hash).entries) {
        if (!live(entry, now)) {
            chosen = &entry;
            break;
        }
        if (entry.state == half_open || entry.state == reset) chosen = &entry;
    }
    if (chosen == nullptr) return nullptr;
    *chosen = Entry{};
    chosen->key = key.value;
    chosen->vip_id = vip_id;
    return chosen;
}

void FlowTable::advance(Entry& entry, FlowEvent event, FlowTime now, std::uint16_t idle_timeout) {
    entry.state = kNext[static_cast<std::size_t>(entry.state)][static_cast<std::size_t>(event)];
    if (entry.state == established) {
        if (idle_timeout == 0) entry.state = lasting;
        entry.expires = static_cast<FlowTime>(now + idle_timeout);
        return;
    }
    const std::uint16_t own = own_timeout(entry.state);
    entry.expires = static_cast<FlowTime>(now + (idle_timeout == 0 ? own : std::min(own, idle_timeout)));
}

void FlowTable::sweep(std::size_t buckets, FlowTime now) {
    for (buckets = std::min(buckets, bucket_count()); buckets > 0; --buckets) {
        for (Entry& entry : buckets_[sweep_position_].entries)
            if (!live(entry, now)) entry.state = free;
        sweep_position_ = (sweep_position_ + 1) & mask_;
    }
}

std::size_t FlowTable::count(FlowTime now) const {
    std::size_t total = 0;
    for (std::size_t i = 0; i <= mask_; ++i)
        total += static_cast<std::size_t>(
            std::ranges::count_if(buckets_[i].entries, [now](const Entry& entry) { return live(entry, now); }));
    return total;
}

}  // namespace dsr::lb
