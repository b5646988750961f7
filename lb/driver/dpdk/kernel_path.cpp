#include "lb/driver/dpdk/kernel_path.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/wire/parse.hpp"
#include "lb/dataplane/offload.hpp"

namespace dsr::lb {
namespace {

constexpr unsigned kRingSize = 1024;  // frames in either direction
constexpr unsigned kBatch = 64;

// The buffer may be a chain.
bool write_frame(int tap, const rte_mbuf* buffer) {
    std::array<iovec, 32> parts{};
    int count = 0;
    for (; buffer != nullptr && count < static_cast<int>(parts.size()); buffer = buffer->next)
        parts[static_cast<std::size_t>(count++)] = {rte_pktmbuf_mtod(buffer, void*), buffer->data_len};
    return buffer == nullptr && ::writev(tap, parts.data(), count) > 0;
}

void finish_checksum_of(rte_mbuf* buffer) {
    const wire::MutableBytes frame{rte_pktmbuf_mtod(buffer, std::uint8_t*), buffer->data_len};
    const auto view = wire::parse_transport(frame);
    if (!view || (view->tcp == nullptr && view->udp == nullptr)) return;
    const auto offset = static_cast<std::size_t>(view->ipv4.payload.data() - frame.data());
    finish_checksum(view->ipv4.header_bytes(), frame.subspan(offset, view->ipv4.payload.size()));
}

}  // namespace

Result<std::unique_ptr<KernelPath>> KernelPath::open(const std::vector<Tap>& taps, rte_mempool* pool) {
    sys::UniqueFd wake_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_fd.valid()) return fail(std::string("eventfd: ") + std::strerror(errno));
    std::unique_ptr<KernelPath> path(new KernelPath(pool, std::move(wake_fd)));
    bool any = false;
    for (std::size_t i = 0; i < taps.size(); ++i) {
        path->ways_.push_back(nullptr);
        if (taps[i].descriptor < 0) continue;
        any = true;
        auto& way = path->ways_.back() = std::make_unique<Way>();
        const std::string number = std::to_string(i);
        way->tap = taps[i];
        way->to_kernel.reset(rte_ring_create(("to_kernel_" + number).c_str(), kRingSize, SOCKET_ID_ANY,
                                             RING_F_MP_RTS_ENQ | RING_F_SC_DEQ));
        way->from_kernel.reset(rte_ring_create(("from_kernel_" + number).c_str(), kRingSize, SOCKET_ID_ANY,
                                               RING_F_SP_ENQ | RING_F_SC_DEQ));
        if (!way->to_kernel || !way->from_kernel) return fail("no memory for the way to the kernel");
    }
    if (any) path->thread_ = std::thread([self = path.get()] { self->run(); });
    return path;
}

KernelPath::~KernelPath() {
    stopping_.store(true, std::memory_order_relaxed);
    if (thread_.joinable()) {
        wake();
        thread_.join();
    }
}

void KernelPath::give(std::uint8_t interface, rte_mbuf* buffer) {
    Way& way = *ways_[interface];
    if (rte_ring_enqueue(way.to_kernel.get(), buffer) == 0) return;
    rte_pktmbuf_free(buffer);
    way.dropped.fetch_add(1, std::memory_order_relaxed);
}

void KernelPath::wake() {
    const std::uint64_t one = 1;
    (void)!::write(wake_fd_.get(), &one, sizeof one);
}

std::uint32_t KernelPath::take(std::uint8_t interface, rte_mbuf** buffers, std::uint32_t most) {
    if (!leads_from(interface)) return 0;
    return rte_ring_dequeue_burst(ways_[interface]->from_kernel.get(), reinterpret_cast<void**>(buffers), most,
                                  nullptr);
}

KernelPath::Counts KernelPath::counts(std::uint8_t interface) const {
    const auto& way = ways_[interface];
    if (!way) return {};
    return {way->given.load(std::memory_order_relaxed), way->taken.load(std::memory_order_relaxed),
            way->dropped.load(std::memory_order_relaxed)};
}

void KernelPath::run() {
    std::vector<pollfd> descriptors{{wake_fd_.get(), POLLIN, 0}};
    for (const auto& way : ways_)
        if (way) descriptors.push_back({way->tap.descriptor, POLLIN, 0});
    bool more = false;
    while (!stopping_.load(std::memory_order_relaxed)) {
        if (::poll(descriptors.data(), descriptors.size(), more ? 0 : -1) < 0) continue;
        std::uint64_t ignored = 0;
        (void)!::read(wake_fd_.get(), &ignored, sizeof ignored);
        for (pollfd& descriptor : descriptors)
            if ((descriptor.revents & POLLERR) != 0) descriptor.fd = -1;  // somebody has deleted the TAP
        more = false;
        // Turn by turn: a flood to the kernel must not keep it from sending.
        for (const auto& way : ways_) {
            if (!way) continue;
            write_frames(*way);
            read_frames(*way);
            more |= rte_ring_empty(way->to_kernel.get()) == 0;
        }
    }
}

void KernelPath::write_frames(Way& way) {
    std::array<void*, kBatch> buffers{};
    const unsigned count = rte_ring_dequeue_burst(way.to_kernel.get(), buffers.data(), kBatch, nullptr);
    for (unsigned i = 0; i < count; ++i) {
        auto* buffer = static_cast<rte_mbuf*>(buffers[i]);
        if (way.tap.software_offloads) finish_checksum_of(buffer);
        (write_frame(way.tap.descriptor, buffer) ? way.given : way.dropped).fetch_add(1, std::memory_order_relaxed);
        rte_pktmbuf_free(buffer);
    }
}

void KernelPath::read_frames(Way& way) {
    for (unsigned i = 0; i < kBatch; ++i) {
        rte_mbuf* buffer = rte_pktmbuf_alloc(pool_);
        if (buffer == nullptr) return;
        const ssize_t size = ::read(way.tap.descriptor, rte_pktmbuf_mtod(buffer, void*), rte_pktmbuf_tailroom(buffer));
        if (size <= 0) return rte_pktmbuf_free(buffer);
        buffer->data_len = static_cast<std::uint16_t>(size);
        buffer->pkt_len = static_cast<std::uint32_t>(size);
        const bool room = rte_ring_enqueue(way.from_kernel.get(), buffer) == 0;
        (room ? way.taken : way.dropped).fetch_add(1, std::memory_order_relaxed);
        if (!room) rte_pktmbuf_free(buffer);
    }
}

}  // namespace dsr::lb
