// A ring of packet buffers between threads. Those that are still in it when it goes are freed.
#pragma once

#include <memory>

#include <rte_mbuf.h>
#include <rte_ring.h>

namespace dsr::lb {

struct FreeBufferRing {
    void operator()(rte_ring* ring) const {
        void* buffer = nullptr;
        while (rte_ring_dequeue(ring, &buffer) == 0)
            rte_pktmbuf_free(static_cast<rte_mbuf*>(buffer));
        rte_ring_free(ring);
    }
};
using BufferRing = std::unique_ptr<rte_ring, FreeBufferRing>;

}  // namespace dsr::lb
