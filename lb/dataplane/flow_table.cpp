#include "lb/dataplane/flow_table.hpp"

#include <algorithm>
#include <bit>

namespace dsr::lb {

FlowTable::FlowTable(std::size_t entries)
    : mask_(std::bit_ceil(std::max<std::size_t>(entries, kWays)) / kWays - 1),
      buckets_(std::make_unique<Bucket[]>(mask_ + 1)) {}

FlowTable::Entry* FlowTable::find(const wire::FlowKey& flow, std::uint16_t vip_id, std::uint64_t flow_hash,
                                  FlowTime now) {
    for (Entry& entry : bucket(flow_hash).entries)
        if (entry.source == flow.source.host() && entry.source_port == flow.source_port &&
            entry.destination_port == flow.destination_port && entry.vip_id == vip_id && live(entry, now))
            return &entry;
    return nullptr;
}

FlowTable::Entry* FlowTable::insert(const wire::FlowKey& flow, std::uint16_t vip_id, std::uint64_t flow_hash,
                                    FlowTime now) {
    for (Entry& entry : bucket(flow_hash).entries) {
        if (live(entry, now)) continue;
        entry = {flow.source.host(), flow.source_port, flow.destination_port, vip_id, kNoId, now, kTimed, 0};
        return &entry;
    }
    return nullptr;
}

void FlowTable::sweep(std::size_t buckets, FlowTime now) {
    for (buckets = std::min(buckets, bucket_count()); buckets > 0; --buckets) {
        for (Entry& entry : buckets_[sweep_position_].entries)
            if (!live(entry, now)) entry.in_use = kFree;
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
