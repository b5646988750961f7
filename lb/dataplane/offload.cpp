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

std::uint16_t segment_payload_for(const wire::Ipv4View& ip, std::size_t tcp_header_length, std::uint32_t mtu) {
    const std::size_t headers = ip.header->header_length() + tcp_header_length;
    return mtu > headers ? static_cast<std::uint16_t>(std::min<std::size_t>(mtu - headers, 0xffff)) : std::uint16_t{0};
}

bool segment_tcp(wire::Bytes frame, std::uint16_t payload_size, wire::MutableBytes scratch,
                 const std::function<bool(wire::Bytes)>& emit) {
    const auto view = wire::parse_transport(frame);
    if (!view || view->tcp == nullptr || payload_size == 0) return false;
    const std::size_t ip_offset = frame.size() - view->ethernet.payload.size();
    const std::size_t tcp_offset = ip_offset + view->ipv4.header->header_length();
    const std::size_t headers = tcp_offset + view->tcp->header_length();
    if (scratch.size() < headers + payload_size) return false;

    for (std::size_t sent = 0, index = 0; sent < view->payload.size(); ++index) {
        const std::size_t size = std::min<std::size_t>(payload_size, view->payload.size() - sent);
        const bool last = sent + size == view->payload.size();
        std::memcpy(scratch.data(), frame.data(), headers);
        std::memcpy(scratch.data() + headers, view->payload.data() + sent, size);

        auto& ip = wire::header_at<wire::Ipv4Header>(scratch, ip_offset);
        ip.total_length = wire::be16(static_cast<std::uint16_t>(headers - ip_offset + size));
        ip.id = wire::be16(static_cast<std::uint16_t>(ip.id.host() + index));
        ip.checksum = {};
        ip.checksum = wire::internet_checksum(scratch.subspan(ip_offset, ip.header_length()));

        auto& tcp = wire::header_at<wire::TcpHeader>(scratch, tcp_offset);
        tcp.sequence = wire::be32(static_cast<std::uint32_t>(tcp.sequence.host() + sent));
        if (!last) tcp.flags &= static_cast<std::uint8_t>(~(wire::kTcpPsh | wire::kTcpFin));
        if (index > 0) tcp.flags &= static_cast<std::uint8_t>(~wire::kTcpCwr);
        tcp.checksum = {};
        const auto segment = scratch.subspan(tcp_offset, headers - tcp_offset + size);
        tcp.checksum = wire::internet_checksum(segment, pseudo_header(ip, segment.size()));

        if (!emit(scratch.first(headers + size))) return false;
        sent += size;
    }
    return true;
}

}  // namespace dsr::lb
