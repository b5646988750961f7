#include "lb/driver/dpdk/dpdk_driver.hpp"

#include <algorithm>
#include <cstring>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_prefetch.h>

#include "common/wire/headers.hpp"
#include "lb/dataplane/cutter.hpp"
#include "lb/driver/clock.hpp"
#include "lb/driver/dpdk/thread.hpp"

namespace dsr::lb {
namespace {

// How long a full transmit queue is waited for, as a fraction of a second: 20 microseconds. A card sends 64 small
// frames at 10 Gbit/s in 4.
constexpr std::uint64_t kPatience = 50'000;

// One segment that is ours alone, with room in front and its VLAN tag in place.
bool plain(const rte_mbuf* buffer) {
    return buffer->nb_segs == 1 && buffer->data_off >= kHeadroom && rte_mbuf_refcnt_read(buffer) == 1 &&
           (buffer->ol_flags & (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)) == 0;
}

std::uint8_t* data_of(rte_mbuf* buffer) {
    return rte_pktmbuf_mtod(buffer, std::uint8_t*);
}

// Where forward() leaves a packet of this buffer's: in place, or with up to kHeadroom bytes more in front.
bool holds(rte_mbuf* buffer, const std::uint8_t* data) {
    return reinterpret_cast<std::uintptr_t>(data_of(buffer)) - reinterpret_cast<std::uintptr_t>(data) <= kHeadroom;
}

void set_frame(rte_mbuf* buffer, std::size_t offset, std::uint32_t length) {
    buffer->data_off = static_cast<std::uint16_t>(offset);
    buffer->data_len = static_cast<std::uint16_t>(length);
    buffer->pkt_len = length;
    buffer->ol_flags = 0;
}

// A new buffer with these bytes; null when there is none, or they do not fit.
rte_mbuf* copy_of(wire::Bytes frame, rte_mempool* pool) {
    rte_mbuf* buffer = rte_pktmbuf_alloc(pool);
    if (buffer == nullptr) return nullptr;
    if (frame.size() > rte_pktmbuf_tailroom(buffer)) return rte_pktmbuf_free(buffer), nullptr;
    std::memcpy(data_of(buffer), frame.data(), frame.size());
    set_frame(buffer, buffer->data_off, static_cast<std::uint32_t>(frame.size()));
    return buffer;
}

// Jumbo frames come as chains from devices that have smaller buffers than ours, tagged ones without their tag from a
// kernel. Takes the buffer over. Null: there is no buffer for it, or none so large.
[[gnu::noinline]] rte_mbuf* make_plain(rte_mbuf* buffer, rte_mempool* pool) {
    if ((buffer->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) {
        if (rte_vlan_insert(&buffer) != 0) return rte_pktmbuf_free(buffer), nullptr;
        if (plain(buffer)) return buffer;
    }
    rte_mbuf* whole = rte_pktmbuf_alloc(pool);
    const std::uint32_t length = buffer->pkt_len;
    if (whole != nullptr && length <= rte_pktmbuf_tailroom(whole)) {
        const void* bytes = rte_pktmbuf_read(buffer, 0, length, data_of(whole));
        if (bytes != data_of(whole)) std::memcpy(data_of(whole), bytes, length);  // it was one segment
        set_frame(whole, whole->data_off, length);
    } else {
        rte_pktmbuf_free(whole);
        whole = nullptr;
    }
    rte_pktmbuf_free(buffer);
    return whole;
}

}  // namespace

DpdkDriver::DpdkDriver(std::vector<DpdkPort*> ports, KernelPath& kernel, std::uint32_t worker, rte_ring* received,
                       std::vector<std::uint32_t> cores)
    : ports_(std::move(ports)),
      kernel_(kernel),
      worker_(worker),
      received_(received),
      cores_(std::move(cores)),
      unusable_(ports_.size()) {
    outboxes_.resize(ports_.size());
    for (std::size_t i = 0; i < ports_.size(); ++i)
        outboxes_[i].queue = ports_[i]->transmit_queue(worker);
}

DpdkDriver::~DpdkDriver() {
    free_leftovers();
}

void DpdkDriver::start_thread() {
    join_dpdk(cores_);
}

std::uint64_t DpdkDriver::now() {
    return coarse_seconds();
}

void DpdkDriver::wait(std::chrono::milliseconds /*at_most*/) {
    idle_.rest();
}

// --- receiving ---

std::size_t DpdkDriver::receive(std::span<Packet, kBurstSize> burst) {
    free_leftovers();
    if (worker_ == 0) send_for_kernel();
    if (received_ != nullptr)
        receive_from_ring(burst);
    else
        receive_from_ports(burst);
    left_ = count_;
    if (count_ != 0) idle_.busy();
    return count_;
}

void DpdkDriver::receive_from_ports(std::span<Packet, kBurstSize> burst) {
    // Interfaces take turns at being first, so that a busy one cannot starve the other.
    first_ = first_ + 1 == ports_.size() ? 0 : first_ + 1;
    for (std::size_t i = 0; i < ports_.size() && count_ < kBurstSize; ++i) {
        const std::size_t index = first_ + i < ports_.size() ? first_ + i : first_ + i - ports_.size();
        const DpdkPort& port = *ports_[index];
        if (!port.usable()) [[unlikely]]
            continue;
        rte_mbuf** const received = buffers_.data() + count_;
        const auto queue = static_cast<std::uint16_t>(port.spreads() ? worker_ : 0);
        const std::uint16_t number =
            rte_eth_rx_burst(port.id(), queue, received, static_cast<std::uint16_t>(kBurstSize - count_));
        for (std::uint16_t j = 0; j < number; ++j)
            rte_prefetch0(data_of(received[j]));
        for (std::uint16_t j = 0; j < number; ++j)
            take_in(burst, received[j], static_cast<std::uint8_t>(index));
    }
}

// Each buffer has the index of its interface in `port`.
void DpdkDriver::receive_from_ring(std::span<Packet, kBurstSize> burst) {
    const unsigned number =
        rte_ring_sc_dequeue_burst(received_, reinterpret_cast<void**>(buffers_.data()), kBurstSize, nullptr);
    for (unsigned j = 0; j < number; ++j)
        rte_prefetch0(data_of(buffers_[j]));
    for (unsigned j = 0; j < number; ++j)
        take_in(burst, buffers_[j], static_cast<std::uint8_t>(buffers_[j]->port));
}

// The next packet of the burst. Its place is before the buffer's own in `buffers_`, or the same.
[[gnu::always_inline]] inline void DpdkDriver::take_in(std::span<Packet, kBurstSize> burst, rte_mbuf* buffer,
                                                       std::uint8_t ingress) {
    if (!plain(buffer)) [[unlikely]] {
        buffer = make_plain(buffer, ports_[ingress]->pool());
        if (buffer == nullptr) {
            unusable_[ingress].fetch_add(1, std::memory_order_relaxed);
            return;
        }
    }
    buffers_[count_] = buffer;
    Packet& packet = burst[count_];
    packet = {};
    packet.data = data_of(buffer);
    packet.length = buffer->data_len;
    packet.number = count_++;
    packet.ingress = ingress;
    packet.ip_checked = (buffer->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}

void DpdkDriver::free_leftovers() {
    // Those that were handed on are null.
    if (left_ != 0) rte_pktmbuf_free_bulk(buffers_.data(), count_);
    count_ = 0;
    left_ = 0;
}

// --- transmitting ---

// The packet's own buffer, or a copy where its bytes are somewhere else: fragments that have waited, and lb's own ARP.
// Null: there is no buffer for it, and it is dropped.
[[gnu::always_inline]] inline rte_mbuf* DpdkDriver::take_buffer(Packet& packet) {
    rte_mbuf* buffer = packet.number < count_ ? buffers_[packet.number] : nullptr;
    if (buffer == nullptr || !holds(buffer, packet.data)) [[unlikely]] {
        buffer = copy_of(packet.bytes(), ports_[packet.egress]->pool());
        if (buffer == nullptr) packet.drop(Drop::transmit_failed);
        return buffer;
    }
    buffers_[packet.number] = nullptr;
    --left_;
    if (packet.data != data_of(buffer) || packet.length != buffer->data_len)
        set_frame(buffer, static_cast<std::size_t>(packet.data - static_cast<std::uint8_t*>(buffer->buf_addr)),
                  packet.length);
    return buffer;
}

[[gnu::always_inline]] inline void DpdkDriver::add(std::uint8_t interface, rte_mbuf* buffer, Packet* owner) {
    Outbox& outbox = outboxes_[interface];
    outbox.buffers[outbox.count] = buffer;
    outbox.owners[outbox.count] = owner;
    if (++outbox.count == kBurstSize) flush(interface);
}

void DpdkDriver::transmit(std::span<Packet> burst) {
    for (Packet& packet : burst) {
        if (packet.verdict == Verdict::forwarded && packet.cut == Cut::none) [[likely]] {
            if (rte_mbuf* buffer = take_buffer(packet); buffer != nullptr) [[likely]]
                add(packet.egress, buffer, &packet);
        } else {
            send_otherwise(packet);
        }
    }
    for (std::size_t i = 0; i < outboxes_.size(); ++i)
        flush(static_cast<std::uint8_t>(i));
    if (to_kernel_) kernel_.wake();
    to_kernel_ = false;
}

void DpdkDriver::send_otherwise(Packet& packet) {
    if (packet.cut != Cut::none && packet.leaves()) return send_pieces(packet);
    if (packet.verdict == Verdict::answered) {
        if (rte_mbuf* buffer = take_buffer(packet)) add(packet.egress, buffer, &packet);
    } else if (packet.verdict == Verdict::passed && kernel_.leads_from(packet.ingress)) {
        give_to_kernel(packet);
    }
}

void DpdkDriver::send_pieces(Packet& packet) {
    Cutter cutter(packet);
    while (!cutter.done() && packet.verdict != Verdict::dropped) {
        rte_mbuf* buffer = rte_pktmbuf_alloc(ports_[packet.egress]->pool());
        if (buffer == nullptr) return packet.drop(Drop::transmit_failed);
        const wire::Bytes piece = cutter.next({data_of(buffer), rte_pktmbuf_tailroom(buffer)});
        if (piece.empty()) return rte_pktmbuf_free(buffer), packet.drop(Drop::transmit_failed);
        set_frame(buffer, buffer->data_off, static_cast<std::uint32_t>(piece.size()));
        add(packet.egress, buffer, &packet);
    }
}

// The kernel has no use for other hosts' frames.
void DpdkDriver::give_to_kernel(Packet& packet) {
    if (packet.length < sizeof(wire::EthernetHeader)) return;
    const auto& to = wire::header_at<wire::EthernetHeader>(packet.bytes()).destination;
    if (!to.is_group() && to != ports_[packet.ingress]->interface().mac) return;
    packet.egress = packet.ingress;
    const Packet as_it_ends = packet;
    rte_mbuf* buffer = take_buffer(packet);
    if (buffer == nullptr) return void(packet = as_it_ends);  // the kernel loses it, which is none of lb's verdicts
    kernel_.give(packet.ingress, buffer);
    to_kernel_ = true;
}

void DpdkDriver::send_for_kernel() {
    std::array<rte_mbuf*, kBurstSize> buffers;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        const auto interface = static_cast<std::uint8_t>(i);
        const std::uint32_t count = kernel_.take(interface, buffers.data(), kBurstSize);
        for (std::uint32_t j = 0; j < count; ++j)
            add(interface, buffers[j], nullptr);
        flush(interface);
        if (count != 0) idle_.busy();
    }
}

void DpdkDriver::flush(std::uint8_t interface) {
    Outbox& outbox = outboxes_[interface];
    if (outbox.count == 0) return;
    const DpdkPort& port = *ports_[interface];
    std::uint16_t sent = 0;
    if (port.usable()) [[likely]] {
        if (outbox.queue.lock != nullptr) rte_spinlock_lock(outbox.queue.lock);
        sent = rte_eth_tx_burst(port.id(), outbox.queue.number, outbox.buffers.data(), outbox.count);
        if (sent < outbox.count) [[unlikely]] {
            const std::uint64_t deadline = rte_get_tsc_cycles() + rte_get_tsc_hz() / kPatience;
            while (sent < outbox.count && rte_get_tsc_cycles() < deadline)
                sent = static_cast<std::uint16_t>(
                    sent + rte_eth_tx_burst(port.id(), outbox.queue.number, outbox.buffers.data() + sent,
                                            static_cast<std::uint16_t>(outbox.count - sent)));
        }
        if (outbox.queue.lock != nullptr) rte_spinlock_unlock(outbox.queue.lock);
    }
    for (; sent < outbox.count; ++sent) {
        if (outbox.owners[sent] != nullptr) outbox.owners[sent]->drop(Drop::transmit_failed);
        rte_pktmbuf_free(outbox.buffers[sent]);
    }
    outbox.count = 0;
}

}  // namespace dsr::lb
