#include "lb/dataplane/offload.hpp"

#include <algorithm>
#include <cstring>

namespace dsr::lb {
namespace {

// Where the checksum lies in its transport header; 0: the protocol has none that we know.
std::size_t checksum_offset(std::uint8_t protocol) {
    if (protocol == wire::kProtocolTcp) return offsetof(wire::TcpHeader, checksum);
    if (protocol == wire::kProtocolUdp) return offsetof(wire::UdpHeader, checksum);
    return 0;
}

wire::ChecksumSum pseudo_header(const wire::Ipv4Header& ip, std::size_t length) {
    return wire::pseudo_header_sum(ip.source, ip.destination, ip.protocol, static_cast<std::uint16_t>(length));
}

}  // namespace

void finish_checksum(wire::Bytes ip_header, wire::MutableBytes transport) {
    const auto& ip = wire::header_at<wire::Ipv4Header>(ip_header);
    const std::size_t offset = checksum_offset(ip.protocol);
    if (offset == 0) return;
    auto& field = wire::header_at<wire::be16>(transport, offset);
    const std::uint16_t bare = wire::checksum_fold(pseudo_header(ip, transport.size()));
    if (field.raw() != bare) [[likely]]
        return;
    // The field itself is the pseudo-header's sum, so the sum over the segment is the whole sum.
    field = wire::internet_checksum(transport);
    if (ip.protocol == wire::kProtocolUdp && field.host() == 0) field = wire::be16(0xffff);  // RFC 768
}

bool checksum_unfinished_or_right(const wire::Ipv4View& ip) {
    const std::size_t offset = checksum_offset(ip.header->protocol);
    const wire::ChecksumSum pseudo = pseudo_header(*ip.header, ip.payload.size());
    if (wire::header_at<wire::be16>(ip.payload, offset).raw() == wire::checksum_fold(pseudo)) return true;
    return wire::checksum_fold(wire::checksum_add(ip.payload, pseudo)) == 0xffff;
}

std::uint16_t segment_payload_for(const wire::Ipv4View& ip, std::size_t tcp_header_length, std::uint32_t mtu) {
    const std::size_t headers = ip.header->header_length() + tcp_header_length;
    return mtu > headers ? static_cast<std::uint16_t>(std::min<std::size_t>(mtu - headers, 0xffff)) : std::uint16_t{0};
}

TcpSegmenter::TcpSegmenter(wire::Bytes frame, std::uint16_t payload_size) : payload_size_(payload_size) {
    const auto view = wire::parse_transport(frame);
    if (!view || view->tcp == nullptr || payload_size == 0) return;
    ip_offset_ = frame.size() - view->ethernet.payload.size();
    tcp_offset_ = ip_offset_ + view->ipv4.header->header_length();
    headers_ = frame.first(tcp_offset_ + view->tcp->header_length());
    payload_ = view->payload;
}

wire::Bytes TcpSegmenter::next(wire::MutableBytes scratch) {
    const std::size_t size = std::min<std::size_t>(payload_size_, payload_.size() - sent_);
    if (scratch.size() < headers_.size() + size) return {};
    const bool last = sent_ + size == payload_.size();
    std::memcpy(scratch.data(), headers_.data(), headers_.size());
    std::memcpy(scratch.data() + headers_.size(), payload_.data() + sent_, size);

    auto& ip = wire::header_at<wire::Ipv4Header>(scratch, ip_offset_);
    ip.total_length = wire::be16(static_cast<std::uint16_t>(headers_.size() - ip_offset_ + size));
    ip.id = wire::be16(static_cast<std::uint16_t>(ip.id.host() + index_));
    ip.checksum = {};
    ip.checksum = wire::internet_checksum(scratch.subspan(ip_offset_, ip.header_length()));

    auto& tcp = wire::header_at<wire::TcpHeader>(scratch, tcp_offset_);
    tcp.sequence = wire::be32(static_cast<std::uint32_t>(tcp.sequence.host() + sent_));
    if (!last) tcp.flags &= static_cast<std::uint8_t>(~(wire::kTcpPsh | wire::kTcpFin));
    if (index_ > 0) tcp.flags &= static_cast<std::uint8_t>(~wire::kTcpCwr);
    tcp.checksum = {};
    const auto segment = scratch.subspan(tcp_offset_, headers_.size() - tcp_offset_ + size);
    tcp.checksum = wire::internet_checksum(segment, pseudo_header(ip, segment.size()));

    sent_ += size;
    ++index_;
    return scratch.first(headers_.size() + size);
}

}  // namespace dsr::lb
