#include "lb/driver/pcap_send.hpp"

#include <cerrno>

#include <poll.h>

#include "lb/dataplane/cutter.hpp"

namespace dsr::lb {

// Ethernet header and two VLAN tags.
constexpr std::size_t kLinkHeaderRoom = sizeof(wire::EthernetHeader) + 2 * sizeof(wire::VlanTag);

PcapSender::PcapSender(int socket, std::uint32_t mtu)
    : socket_(socket),
      piece_size_(mtu + kLinkHeaderRoom),
      pieces_(std::make_unique<std::uint8_t[]>(kBatch * piece_size_)) {}

void PcapSender::add(Packet& packet) {
    if (packet.cut == Cut::none) return add_frame(packet, packet.bytes());
    const auto scratch = [this] { return wire::MutableBytes(pieces_.get() + count_ * piece_size_, piece_size_); };
    Cutter cutter(packet);
    while (!cutter.done() && packet.verdict != Verdict::dropped) {
        const wire::Bytes piece = cutter.next(scratch());
        if (piece.empty()) return packet.drop(Drop::transmit_failed);
        add_frame(packet, piece);
    }
}

void PcapSender::add_frame(Packet& packet, wire::Bytes frame) {
    vectors_[count_] = {const_cast<std::uint8_t*>(frame.data()), frame.size()};
    messages_[count_].msg_hdr = {};
    messages_[count_].msg_hdr.msg_iov = &vectors_[count_];
    messages_[count_].msg_hdr.msg_iovlen = 1;
    owners_[count_] = &packet;
    if (++count_ == kBatch) flush();
}

void PcapSender::flush() {
    if (count_ == 0) return;
    // One budget for the whole batch: an interface that is stuck must not hold up the others for long.
    const auto deadline = Clock::now() + std::chrono::milliseconds(100);
    std::size_t sent = 0;
    while (sent < count_) {
        const int result = ::sendmmsg(socket_, messages_.data() + sent, static_cast<unsigned>(count_ - sent), 0);
        if (result > 0) {
            sent += static_cast<std::size_t>(result);
            continue;
        }
        if (errno == EINTR) continue;
        // Only a full send buffer gets room by waiting. ENOBUFS is the queueing discipline's refusal of this very
        // frame.
        if ((errno == EAGAIN || errno == EWOULDBLOCK) && wait_for_room(deadline)) continue;
        owners_[sent]->drop(Drop::transmit_failed);
        ++sent;
    }
    count_ = 0;
}

bool PcapSender::wait_for_room(Clock::time_point deadline) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd descriptor{socket_, POLLOUT, 0};
    return left.count() > 0 && ::poll(&descriptor, 1, static_cast<int>(left.count())) == 1 &&
           (descriptor.revents & POLLOUT) != 0;
}

}  // namespace dsr::lb
