#include "lb/driver/dpdk/receiver.hpp"

#include <string>

#include <rte_ethdev.h>

#include "common/ring/flow_hash.hpp"
#include "lb/dataplane/spread.hpp"
#include "lb/driver/dpdk/idle.hpp"
#include "lb/driver/dpdk/thread.hpp"

namespace dsr::lb {

// Some bursts of a worker that is held up for a moment.
constexpr unsigned kRingSize = 1024;

Result<std::unique_ptr<Receiver>> Receiver::start(std::vector<DpdkPort*> ports, std::uint32_t workers,
                                                  std::vector<std::uint32_t> cores) {
    std::unique_ptr<Receiver> receiver(new Receiver(std::move(ports), std::move(cores)));
    const int node = receiver->ports_.front()->numa_node();
    for (std::uint32_t worker = 0; worker < workers; ++worker) {
        const std::string name = "worker_" + std::to_string(worker);
        receiver->ways_.emplace_back().ring.reset(
            rte_ring_create(name.c_str(), kRingSize, node, RING_F_SP_ENQ | RING_F_SC_DEQ));
        if (!receiver->ways_.back().ring) return fail("no memory for the rings between the receiving core and workers");
    }
    receiver->thread_ = std::thread([self = receiver.get()] { self->run(); });
    return receiver;
}

Receiver::~Receiver() {
    stopping_.store(true, std::memory_order_relaxed);
    if (thread_.joinable()) thread_.join();
}

void Receiver::run() {
    join_dpdk(cores_);
    Idle idle;
    while (!stopping_.load(std::memory_order_relaxed)) {
        bool any = false;
        for (std::size_t i = 0; i < ports_.size(); ++i)
            for (std::uint16_t queue = 0; queue < ports_[i]->receive_queues(); ++queue)
                any |= serve(i, queue);
        if (any)
            idle.busy();
        else
            idle.rest();
    }
}

bool Receiver::serve(std::size_t interface, std::uint16_t queue) {
    if (!ports_[interface]->usable()) return false;
    std::array<rte_mbuf*, kBurstSize> buffers;
    const std::uint16_t count = rte_eth_rx_burst(ports_[interface]->id(), queue, buffers.data(), kBurstSize);
    for (std::uint16_t i = 0; i < count; ++i)
        rte_prefetch0(rte_pktmbuf_mtod(buffers[i], void*));
    for (std::uint16_t i = 0; i < count; ++i) {
        rte_mbuf* buffer = buffers[i];
        buffer->port = static_cast<std::uint16_t>(interface);
        // The headers of a chain are in its first segment.
        const std::uint64_t hash = spread_hash({rte_pktmbuf_mtod(buffer, const std::uint8_t*), buffer->data_len});
        // Mixed again: servers and places in flow tables follow from the same hash.
        Way& way = ways_[ring::slot_of(ring::mix64(hash), static_cast<std::uint32_t>(ways_.size()))];
        way.buffers[way.count++] = buffer;
    }
    for (Way& way : ways_)
        if (way.count != 0) hand_over(way, interface);
    return count != 0;
}

void Receiver::hand_over(Way& way, std::size_t interface) {
    const unsigned accepted = rte_ring_sp_enqueue_burst(
        way.ring.get(), reinterpret_cast<void* const*>(way.buffers.data()), way.count, nullptr);
    if (accepted < way.count) [[unlikely]] {
        rte_pktmbuf_free_bulk(way.buffers.data() + accepted, way.count - accepted);
        overflows_[interface].fetch_add(way.count - accepted, std::memory_order_relaxed);
    }
    way.count = 0;
}

}  // namespace dsr::lb
