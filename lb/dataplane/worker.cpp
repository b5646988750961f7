#include "lb/dataplane/worker.hpp"

#include <algorithm>
#include <span>

#include "lb/dataplane/forward.hpp"

namespace dsr::lb {
namespace {

// Long enough to cost nothing, short enough that a stop is prompt even if a wake() were lost.
constexpr std::chrono::milliseconds kIdleWait{100};
constexpr std::chrono::milliseconds kDrainTime{1000};
// The flow table is swept once in this many seconds; see FlowTable::sweep.
constexpr std::size_t kSweepPeriod = 1800;

}  // namespace

Worker::Worker(Driver& driver, std::size_t flow_table_entries, const ForwardingTable* table)
    : driver_(driver), flows_(flow_table_entries), table_(table), published_(table), in_use_(table) {}

std::size_t Worker::run_burst() {
    pick_up_table();
    send_waiting_arp();
    const std::size_t count = driver_.receive(burst_);
    const std::uint64_t now = driver_.now();
    age_flows(now);
    if (count == 0) return 0;

    const std::span<Packet> burst = std::span(burst_).first(count);
    forward(*table_, static_cast<FlowTime>(now), burst, flows_, counters_);
    for (const Packet& packet : burst)
        if (packet.neighbor) [[unlikely]]
            hear_arp(packet);
    driver_.transmit(burst);
    for (const Packet& packet : burst)
        counters_.account(packet);
    return count;
}

void Worker::run() {
    while (!stopping_.load(std::memory_order_relaxed))
        if (run_burst() == 0) driver_.wait(kIdleWait);
    // What has arrived is still served; bounded, so that a flood or a stuck interface cannot keep us from ending.
    const auto deadline = std::chrono::steady_clock::now() + kDrainTime;
    while (run_burst() > 0 && std::chrono::steady_clock::now() < deadline)
        continue;
}

void Worker::pick_up_table() {
    const ForwardingTable* newest = published_.load(std::memory_order_acquire);
    if (newest == table_) [[likely]]
        return;
    table_ = newest;
    in_use_.store(newest, std::memory_order_release);
}

void Worker::age_flows(std::uint64_t now) {
    if (now == swept_at_) [[likely]]
        return;
    swept_at_ = now;
    flows_.sweep(flows_.bucket_count() / kSweepPeriod + 1, static_cast<FlowTime>(now));
}

void Worker::hear_arp(const Packet& packet) {
    // forward() has parsed it: both layers are whole.
    const auto ethernet = wire::parse_ethernet(packet.bytes());
    if (!ethernet) return;
    const auto arp = wire::parse_arp(ethernet->payload);
    if (arp) heard_.put({packet.ingress, **arp});  // when full, the sender asks or answers again
}

bool Worker::send_arp(const ArpFrame& frame) {
    const bool accepted = to_send_.put(frame);
    driver_.wake();
    return accepted;
}

void Worker::send_waiting_arp() {
    ArpFrame frame;
    while (to_send_.take(frame)) {
        Packet packet;
        packet.data = frame.bytes.data();
        packet.length = static_cast<std::uint32_t>(frame.bytes.size());
        packet.egress = frame.interface;
        packet.verdict = Verdict::answered;
        driver_.transmit({&packet, 1});
    }
}

}  // namespace dsr::lb
