// Sends frames in batches on the packet socket that libpcap opened: one system call for up to 64 frames.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <sys/socket.h>
#include <sys/uio.h>

#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

// Collects frames for one socket; add() sends a full batch by itself, flush() the rest. Frames leave in the order of
// add().
class PcapSender {
public:
    // `mtu` bounds the pieces that packets are cut into: their bytes are kept here until they are sent.
    PcapSender(int socket, std::uint32_t mtu);

    // The packet's bytes must stay valid until flush(). A packet that cannot be sent becomes dropped: transmit_failed.
    void add(Packet& packet);
    void flush();

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t kBatch = 64;

    void add_frame(Packet& packet, wire::Bytes frame);
    // Waits for room in the socket's send buffer, at the longest until `deadline`.
    [[nodiscard]] bool wait_for_room(Clock::time_point deadline) const;

    int socket_;
    std::size_t piece_size_;                  // bytes of scratch for each frame of a batch
    std::unique_ptr<std::uint8_t[]> pieces_;  // kBatch * piece_size_
    std::array<mmsghdr, kBatch> messages_{};
    std::array<iovec, kBatch> vectors_{};
    std::array<Packet*, kBatch> owners_{};
    std::size_t count_ = 0;
};

}  // namespace dsr::lb
