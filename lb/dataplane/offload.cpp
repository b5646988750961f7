#include "lb/dataplane/offload.hpp"

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

bool udp_checksum_right(const wire::Ipv4View& ip) {
    if (wire::header_at<wire::UdpHeader>(ip.payload).checksum.host() == 0) return false;
    return wire::checksum_fold(wire::checksum_add(ip.payload, pseudo_header(*ip.header, ip.payload.size()))) == 0xffff;
}

}  // namespace dsr::lb
