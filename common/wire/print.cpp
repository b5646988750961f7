#include "common/wire/print.hpp"

#include <algorithm>
#include <charconv>

#include "common/wire/parse.hpp"

namespace dsr::wire {
namespace {

class Line {
public:
    explicit Line(std::span<char> out) : out_(out) {}

    Line& add(std::string_view text) {
        const std::size_t count = std::min(text.size(), out_.size() - size_);
        std::copy_n(text.begin(), count, out_.begin() + static_cast<std::ptrdiff_t>(size_));
        size_ += count;
        return *this;
    }
    Line& add(std::uint64_t number, int base = 10) {
        char digits[20];
        const auto end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
        return add({digits, static_cast<std::size_t>(end - digits)});
    }
    Line& add(Ipv4Address address) {
        char text[15];
        return add({text, write_text(address, text)});
    }
    Line& add(const MacAddress& mac) {
        char text[17];
        return add({text, write_text(mac, text)});
    }
    Line& add(ParseError error) { return add(" [malformed: ").add(name(error)).add("]"); }

    [[nodiscard]] std::string_view view() const { return {out_.data(), size_}; }

private:
    std::span<char> out_;
    std::size_t size_ = 0;
};

void print_tcp_flags(std::uint8_t flags, Line& line) {
    static constexpr struct {
        std::uint8_t bit;
        std::string_view letter;
    } kLetters[] = {{kTcpFin, "F"}, {kTcpSyn, "S"}, {kTcpRst, "R"}, {kTcpPsh, "P"},
                    {kTcpAck, "."}, {kTcpUrg, "U"}, {kTcpEce, "E"}, {kTcpCwr, "W"}};
    line.add(" flags [");
    for (const auto& [bit, letter] : kLetters)
        if ((flags & bit) != 0) line.add(letter);
    line.add("]");
}

void print_tcp(const Ipv4View& ip, Line& line) {
    const auto tcp = parse_tcp(ip.payload);
    line.add(ip.header->source);
    if (!tcp) {
        line.add(" > ").add(ip.header->destination).add(": tcp").add(tcp.error());
        return;
    }
    line.add(":").add(tcp->header->source_port.host()).add(" > ").add(ip.header->destination).add(":");
    line.add(tcp->header->destination_port.host()).add(": tcp");
    print_tcp_flags(tcp->header->flags, line);
    line.add(" seq ").add(tcp->header->sequence.host());
    if ((tcp->header->flags & kTcpAck) != 0) line.add(" ack ").add(tcp->header->acknowledgment.host());
    line.add(" payload ").add(tcp->payload.size());
}

void print_udp(const Ipv4View& ip, Line& line) {
    const auto udp = parse_udp(ip.payload);
    line.add(ip.header->source);
    if (!udp) {
        line.add(" > ").add(ip.header->destination).add(": udp").add(udp.error());
        return;
    }
    line.add(":").add(udp->header->source_port.host()).add(" > ").add(ip.header->destination).add(":");
    line.add(udp->header->destination_port.host()).add(": udp payload ").add(udp->payload.size());
}

void print_ipv4(Bytes packet, Line& line, int depth);

void print_icmp(const Ipv4View& ip, Line& line) {
    const auto icmp = parse_icmp(ip.payload);
    line.add(ip.header->source).add(" > ").add(ip.header->destination).add(": icmp");
    if (!icmp) {
        line.add(icmp.error());
        return;
    }
    line.add(" type ").add(icmp->header->type).add(" code ").add(icmp->header->code);
    if (icmp->header->type == kIcmpDestinationUnreachable && icmp->header->code == kIcmpCodeFragmentationNeeded)
        line.add(" mtu ").add(icmp->header->rest_low.host());
}

void print_ipv4(Bytes packet, Line& line, int depth) {
    const auto ip = parse_ipv4(packet);
    if (!ip) {
        line.add("ipv4").add(ip.error());
        return;
    }
    const Ipv4Header& header = *ip->header;
    if (header.is_fragment()) {
        line.add(header.source).add(" > ").add(header.destination).add(": protocol ").add(header.protocol);
        line.add(" fragment id ").add(header.id.host()).add(" offset ").add(header.fragment_offset());
        line.add(header.more_fragments() ? " more" : " last");
    } else if (header.protocol == kProtocolTcp) {
        print_tcp(*ip, line);
    } else if (header.protocol == kProtocolUdp) {
        print_udp(*ip, line);
    } else if (header.protocol == kProtocolIcmp) {
        print_icmp(*ip, line);
    } else if (header.protocol == kProtocolIpip && depth == 0) {
        line.add(header.source).add(" > ").add(header.destination).add(": ipip | ");
        print_ipv4(ip->payload, line, depth + 1);
    } else {
        line.add(header.source).add(" > ").add(header.destination).add(": protocol ").add(header.protocol);
    }
    if (!verify_ipv4_checksum(*ip)) line.add(ParseError::ipv4_checksum);
}

void print_arp(Bytes payload, Line& line) {
    const auto arp = parse_arp(payload);
    if (!arp) {
        line.add("arp").add(arp.error());
        return;
    }
    const ArpHeader& header = **arp;
    if (header.operation.host() == kArpRequest)
        line.add("arp who-has ").add(header.target_address).add(" tell ").add(header.sender_address);
    else if (header.operation.host() == kArpReply)
        line.add("arp reply ").add(header.sender_address).add(" is-at ").add(header.sender_mac);
    else
        line.add("arp operation ").add(header.operation.host());
}

}  // namespace

std::string_view print_frame(Bytes frame, std::span<char> out) {
    Line line(out);
    const auto ethernet = parse_ethernet(frame);
    if (!ethernet) return line.add("ethernet").add(ethernet.error()).view();
    line.add(ethernet->header->source).add(" > ").add(ethernet->header->destination).add(" ");
    Bytes tags = frame.subspan(sizeof(EthernetHeader));
    for (unsigned i = 0; i < ethernet->tags; ++i, tags = tags.subspan(sizeof(VlanTag)))
        line.add("vlan ").add(header_at<VlanTag>(tags).control.host() & 0xfffU).add(" ");
    line.add("length ").add(frame.size()).add(" ");
    if (ethernet->ether_type == kEtherTypeIpv4)
        print_ipv4(ethernet->payload, line, 0);
    else if (ethernet->ether_type == kEtherTypeArp)
        print_arp(ethernet->payload, line);
    else
        line.add("ether_type 0x").add(ethernet->ether_type, 16);
    return line.view();
}

}  // namespace dsr::wire
