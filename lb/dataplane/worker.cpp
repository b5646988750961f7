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

std::size_t largest_frame(const ForwardingTable& table) {
    std::uint32_t mtu = 0;
    for (const Interface& interface : table.interfaces)
        mtu = std::max(mtu, interface.mtu);
    return mtu + sizeof(wire::EthernetHeader) + 2 * sizeof(wire::VlanTag);
}

}  // namespace

Worker::Worker(Driver& driver, std::size_t flow_table_entries, const ForwardingTable* table)
    : driver_(driver),
      state_(flow_table_entries, largest_frame(*table)),
      table_(table),
      published_(table),
      in_use_(table) {}

std::size_t Worker::run_burst() {
    pick_up_table();
    send_waiting_arp();
    const std::size_t count = driver_.receive(burst_);
    tick(driver_.now());
    if (count != 0) process(std::span(burst_).first(count));
    if (state_.fragments.any_to_take(static_cast<FlowTime>(now_))) [[unlikely]]
        release_fragments();
    return count;
}

void Worker::process(std::span<Packet> burst) {
    forward(*table_, static_cast<FlowTime>(now_), burst, state_);
    for (const Packet& packet : burst)
        if (packet.neighbor) [[unlikely]]
            hear_arp(packet);
    driver_.transmit(burst);
    state_.counters.account(burst);
}

void Worker::release_fragments() {
    while (const std::size_t count = state_.fragments.take(burst_, static_cast<FlowTime>(now_)))
        process(std::span(burst_).first(count));
}

void Worker::finish() {
    state_.fragments.expire_all();
    release_fragments();
}

void Worker::run() {
    while (!stopping_.load(std::memory_order_relaxed))
        if (run_burst() == 0) driver_.wait(kIdleWait);
    // What has arrived is still served; bounded, so that a flood or a stuck interface cannot keep us from ending.
    const auto deadline = std::chrono::steady_clock::now() + kDrainTime;
    while (run_burst() > 0 && std::chrono::steady_clock::now() < deadline)
        continue;
    finish();
}

void Worker::pick_up_table() {
    const ForwardingTable* newest = published_.load(std::memory_order_acquire);
    if (newest == table_) [[likely]]
        return;
    table_ = newest;
    in_use_.store(newest, std::memory_order_release);
}

void Worker::tick(std::uint64_t now) {
    if (now == now_) [[likely]]
        return;
    now_ = now;
    state_.flows.sweep(state_.flows.bucket_count() / kSweepPeriod + 1, static_cast<FlowTime>(now));
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
