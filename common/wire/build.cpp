#include "common/wire/build.hpp"

#include <algorithm>
#include <cstring>

#include "common/wire/checksum.hpp"

namespace dsr::wire {

std::uint8_t* FrameBuilder::push(Kind kind, std::size_t header_size) {
    if (failed_ || layer_count_ == layers_.size() || buffer_.size() - size_ < header_size || size_ != end_) {
        failed_ = true;
        return nullptr;
    }
    std::uint8_t* header = buffer_.data() + size_;
    std::memset(header, 0, header_size);
    layers_[layer_count_++] = {kind, size_};
    size_ += header_size;
    end_ = size_;
    return header;
}

void FrameBuilder::set_ether_type(std::uint16_t type) {
    if (layer_count_ == 0) return;
    const Layer& outer = layers_[layer_count_ - 1];
    if (outer.kind == Kind::ethernet) header_at<EthernetHeader>(buffer_, outer.offset).ether_type = be16(type);
    if (outer.kind == Kind::vlan) header_at<VlanTag>(buffer_, outer.offset).ether_type = be16(type);
}

void FrameBuilder::set_protocol(std::uint8_t protocol) {
    if (layer_count_ == 0) return;
    const Layer& outer = layers_[layer_count_ - 1];
    if (outer.kind == Kind::ipv4) header_at<Ipv4Header>(buffer_, outer.offset).protocol = protocol;
}

FrameBuilder& FrameBuilder::ethernet(const MacAddress& destination, const MacAddress& source) {
    if (auto* header = push(Kind::ethernet, sizeof(EthernetHeader))) {
        auto& ethernet = *reinterpret_cast<EthernetHeader*>(header);
        ethernet.destination = destination;
        ethernet.source = source;
    }
    return *this;
}

FrameBuilder& FrameBuilder::vlan(std::uint16_t id) {
    const bool allowed =
        layer_count_ > 0 && id < 4096 &&
        (layers_[layer_count_ - 1].kind == Kind::ethernet || layers_[layer_count_ - 1].kind == Kind::vlan);
    if (!allowed) {
        failed_ = true;
        return *this;
    }
    set_ether_type(kEtherTypeVlan);
    if (auto* header = push(Kind::vlan, sizeof(VlanTag))) reinterpret_cast<VlanTag*>(header)->control = be16(id);
    return *this;
}

FrameBuilder& FrameBuilder::arp(std::uint16_t operation, const MacAddress& sender_mac, Ipv4Address sender_address,
                                const MacAddress& target_mac, Ipv4Address target_address) {
    set_ether_type(kEtherTypeArp);
    if (auto* header = push(Kind::arp, sizeof(ArpHeader)))
        *reinterpret_cast<ArpHeader*>(header) = {
            be16(1),    be16(kEtherTypeIpv4), 6, 4, be16(operation), sender_mac, sender_address,
            target_mac, target_address};
    return *this;
}

FrameBuilder& FrameBuilder::ipv4(const Ipv4Fields& fields) {
    if (fields.options.size() > 40 || fields.options.size() % 4 != 0 || fields.fragment_offset % 8 != 0) {
        failed_ = true;
        return *this;
    }
    set_ether_type(kEtherTypeIpv4);
    set_protocol(kProtocolIpip);
    const std::size_t length = sizeof(Ipv4Header) + fields.options.size();
    if (auto* bytes = push(Kind::ipv4, length)) {
        auto& header = *reinterpret_cast<Ipv4Header*>(bytes);
        header.version_and_length = static_cast<std::uint8_t>(0x40U | length / 4);
        header.tos = fields.tos;
        header.id = be16(fields.id);
        header.flags_and_offset = be16(static_cast<std::uint16_t>((fields.dont_fragment ? kIpv4DontFragment : 0) |
                                                                  (fields.more_fragments ? kIpv4MoreFragments : 0) |
                                                                  fields.fragment_offset / 8));
        header.ttl = fields.ttl;
        header.protocol = fields.protocol;
        header.source = fields.source;
        header.destination = fields.destination;
        std::ranges::copy(fields.options, bytes + sizeof(Ipv4Header));
    }
    return *this;
}

FrameBuilder& FrameBuilder::tcp(const TcpFields& fields) {
    if (fields.options.size() > 40 || fields.options.size() % 4 != 0) {
        failed_ = true;
        return *this;
    }
    set_protocol(kProtocolTcp);
    const std::size_t length = sizeof(TcpHeader) + fields.options.size();
    if (auto* bytes = push(Kind::tcp, length)) {
        auto& header = *reinterpret_cast<TcpHeader*>(bytes);
        header.source_port = be16(fields.source_port);
        header.destination_port = be16(fields.destination_port);
        header.sequence = be32(fields.sequence);
        header.acknowledgment = be32(fields.acknowledgment);
        header.data_offset_and_reserved = static_cast<std::uint8_t>(length / 4 << 4U);
        header.flags = fields.flags;
        header.window = be16(fields.window);
        std::ranges::copy(fields.options, bytes + sizeof(TcpHeader));
    }
    return *this;
}

FrameBuilder& FrameBuilder::udp(std::uint16_t source_port, std::uint16_t destination_port) {
    set_protocol(kProtocolUdp);
    if (auto* bytes = push(Kind::udp, sizeof(UdpHeader)))
        *reinterpret_cast<UdpHeader*>(bytes) = {be16(source_port), be16(destination_port), {}, {}};
    return *this;
}

FrameBuilder& FrameBuilder::icmp(const IcmpFields& fields) {
    set_protocol(kProtocolIcmp);
    if (auto* bytes = push(Kind::icmp, sizeof(IcmpHeader)))
        *reinterpret_cast<IcmpHeader*>(bytes) = {
            fields.type, fields.code, {}, be16(fields.rest_high), be16(fields.rest_low)};
    return *this;
}

FrameBuilder& FrameBuilder::payload(Bytes bytes) {
    if (failed_ || buffer_.size() - size_ < bytes.size() || size_ != end_) {
        failed_ = true;
        return *this;
    }
    if (!bytes.empty()) std::memmove(buffer_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
    end_ = size_;
    return *this;
}

FrameBuilder& FrameBuilder::padding(std::size_t count) {
    if (failed_ || buffer_.size() - size_ < count) {
        failed_ = true;
        return *this;
    }
    if (count != 0) std::memset(buffer_.data() + size_, 0, count);
    size_ += count;
    return *this;
}

void FrameBuilder::finish_ipv4(std::size_t offset) {
    auto& header = header_at<Ipv4Header>(buffer_, offset);
    if (end_ - offset > 0xffff) {
        failed_ = true;
        return;
    }
    header.total_length = be16(static_cast<std::uint16_t>(end_ - offset));
    header.checksum = internet_checksum(buffer_.subspan(offset, header.header_length()));
}

void FrameBuilder::finish_transport(const Layer& ipv4, const Layer& layer) {
    const auto& ip = header_at<Ipv4Header>(buffer_, ipv4.offset);
    const MutableBytes bytes = buffer_.subspan(layer.offset, end_ - layer.offset);
    if (bytes.size() > 0xffff) {
        failed_ = true;
        return;
    }
    const auto length = static_cast<std::uint16_t>(bytes.size());
    if (layer.kind == Kind::udp) {
        auto& udp = header_at<UdpHeader>(bytes);
        udp.length = be16(length);
        udp.checksum = internet_checksum(bytes, pseudo_header_sum(ip.source, ip.destination, kProtocolUdp, length));
        if (udp.checksum.host() == 0) udp.checksum = be16(0xffff);  // RFC 768: 0 would mean "none"
    } else if (layer.kind == Kind::tcp) {
        header_at<TcpHeader>(bytes).checksum =
            internet_checksum(bytes, pseudo_header_sum(ip.source, ip.destination, kProtocolTcp, length));
    }
}

std::optional<MutableBytes> FrameBuilder::finish() {
    // From the inside out: outer checksums cover inner ones.
    for (std::size_t i = layer_count_; i-- > 0 && !failed_;) {
        const Layer& layer = layers_[i];
        if (layer.kind == Kind::ipv4) finish_ipv4(layer.offset);
        if (layer.kind == Kind::icmp)
            header_at<IcmpHeader>(buffer_, layer.offset).checksum =
                internet_checksum(buffer_.subspan(layer.offset, end_ - layer.offset));
        if ((layer.kind == Kind::udp || layer.kind == Kind::tcp) && i > 0 && layers_[i - 1].kind == Kind::ipv4)
            finish_transport(layers_[i - 1], layer);
    }
    if (failed_) return std::nullopt;
    return buffer_.first(size_);
}

}  // namespace dsr::wire
