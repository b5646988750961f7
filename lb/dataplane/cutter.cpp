#include "lb/dataplane/cutter.hpp"

#include <algorithm>
#include <cstring>

#include "lb/dataplane/layer3.hpp"

namespace dsr::lb {
namespace {

// RFC 791 section 3.1: options without the copy bit are the first fragment's only. They become no-operations elsewhere,
// so that the header keeps its length.
void erase_uncopied_options(wire::MutableBytes options) {
    constexpr std::uint8_t kEnd = 0;
    constexpr std::uint8_t kNoOperation = 1;
    constexpr std::uint8_t kCopied = 0x80;
    while (!options.empty() && options[0] != kEnd) {
        std::size_t length = 1;
        if (options[0] != kNoOperation) {
            if (options.size() < 2 || options[1] < 2 || options[1] > options.size()) return;
            length = options[1];
            if ((options[0] & kCopied) == 0) std::ranges::fill(options.first(length), kNoOperation);
        }
        options = options.subspan(length);
    }
}

void finish_ip(wire::MutableBytes packet) {
    auto& ip = wire::header_at<wire::Ipv4Header>(packet);
    ip.total_length = wire::be16(static_cast<std::uint16_t>(packet.size()));
    ip.checksum = {};
    ip.checksum = wire::internet_checksum(packet.first(ip.header_length()));
}

}  // namespace

std::uint16_t segment_payload(const wire::Ipv4View& ip, std::size_t tcp_header_length, std::uint32_t mtu) {
    const std::size_t headers = ip.header->header_length() + tcp_header_length;
    return mtu > headers ? static_cast<std::uint16_t>(std::min<std::size_t>(mtu - headers, 0xffff)) : std::uint16_t{0};
}

std::uint16_t fragment_payload(const wire::Ipv4View& ip, std::uint32_t mtu) {
    const std::size_t room = segment_payload(ip, 0, mtu);
    return static_cast<std::uint16_t>(room & ~std::size_t{7});
}

Cutter::Cutter(const Packet& packet) : cut_(packet.cut), piece_payload_(packet.piece_payload) {
    const wire::Bytes frame = packet.bytes();
    const auto link = wire::parse_ethernet(frame);
    if (!link || packet.piece_payload == 0 || cut_ == Cut::none) return;
    outer_offset_ = frame.size() - link->payload.size();
    ip_offset_ = outer_offset_ + packet.outer_length;
    const auto ip = wire::parse_ipv4(frame.subspan(ip_offset_));
    if (!ip) return;
    std::size_t header_length = ip->header->header_length();
    if (cut_ == Cut::segments) {
        if (ip->header->protocol != wire::kProtocolTcp) return;
        const auto tcp = wire::parse_tcp(ip->payload);
        if (!tcp) return;
        header_length += tcp->header->header_length();
    }
    headers_ = frame.first(ip_offset_ + header_length);
    payload_ = frame.subspan(headers_.size(), ip->header->total_length.host() - header_length);
}

// Sequence number and IP ID advance, PSH and FIN stay on the last, CWR on the first only (RFC 3168 section 6.1.2).
void Cutter::finish_segment(wire::MutableBytes segment, bool last) const {
    auto& ip = wire::header_at<wire::Ipv4Header>(segment);
    ip.id = wire::be16(static_cast<std::uint16_t>(ip.id.host() + index_));
    finish_ip(segment);
    const wire::MutableBytes bytes = segment.subspan(ip.header_length());
    auto& tcp = wire::header_at<wire::TcpHeader>(bytes);
    tcp.sequence = wire::be32(static_cast<std::uint32_t>(tcp.sequence.host() + sent_));
    if (!last) tcp.flags &= static_cast<std::uint8_t>(~(wire::kTcpPsh | wire::kTcpFin));
    if (index_ > 0) tcp.flags &= static_cast<std::uint8_t>(~wire::kTcpCwr);
    tcp.checksum = {};
    tcp.checksum = wire::internet_checksum(bytes, wire::pseudo_header_sum(ip.source, ip.destination, ip.protocol,
                                                                          static_cast<std::uint16_t>(bytes.size())));
}

// What is cut may be a fragment itself: it then starts behind 0, and more of its datagram may follow its last piece.
void Cutter::finish_fragment(wire::MutableBytes fragment, bool last) const {
    auto& ip = wire::header_at<wire::Ipv4Header>(fragment);
    const std::size_t offset = ip.fragment_offset() + sent_;
    const bool more = ip.more_fragments() || !last;
    ip.flags_and_offset = wire::be16(static_cast<std::uint16_t>((more ? wire::kIpv4MoreFragments : 0U) | offset / 8));
    if (index_ > 0) erase_uncopied_options(fragment.subspan(sizeof ip, ip.header_length() - sizeof ip));
    finish_ip(fragment);
}

wire::Bytes Cutter::next(wire::MutableBytes scratch) {
    const std::size_t size = std::min(piece_payload_, payload_.size() - sent_);
    const std::size_t length = headers_.size() + size;
    if (scratch.size() < length) return {};
    const bool last = sent_ + size == payload_.size();
    std::memcpy(scratch.data(), headers_.data(), headers_.size());
    std::memcpy(scratch.data() + headers_.size(), payload_.data() + sent_, size);

    const wire::MutableBytes ip_packet = scratch.subspan(ip_offset_, length - ip_offset_);
    if (cut_ == Cut::segments)
        finish_segment(ip_packet, last);
    else
        finish_fragment(ip_packet, last);
    if (outer_offset_ != ip_offset_) {
        auto& outer = wire::header_at<wire::Ipv4Header>(scratch, outer_offset_);
        finish_outer(outer, OuterHeader::between(outer.source, outer.destination),
                     wire::header_at<wire::Ipv4Header>(ip_packet), ip_packet.size(),
                     static_cast<std::uint16_t>(outer.id.host() + index_));
    }
    sent_ += size;
    ++index_;
    return scratch.first(length);
}

}  // namespace dsr::lb
