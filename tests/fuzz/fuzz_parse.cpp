// Any bytes through every parser and the printer: whatever they return lies inside the bytes they were given.
#include <cstdint>
#include <cstdlib>

#include "common/wire/parse.hpp"
#include "common/wire/print.hpp"

using namespace dsr::wire;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

// `part` lies inside `whole`; empty views may point anywhere inside or just behind it.
void require_inside(Bytes part, Bytes whole) {
    require(part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size()));
}

// Reads every byte, so that the address sanitizer has its say.
std::uint64_t read_all(Bytes bytes) {
    return checksum_fold(checksum_add(bytes));
}

void check_segments(Bytes bytes) {
    if (const auto tcp = parse_tcp(bytes)) {
        require_inside(tcp->options, bytes);
        require_inside(tcp->payload, bytes);
        require(tcp->options.size() <= 40);
        require(sizeof(TcpHeader) + tcp->options.size() + tcp->payload.size() == bytes.size());
    }
    if (const auto udp = parse_udp(bytes)) {
        require_inside(udp->payload, bytes);
        require(sizeof(UdpHeader) + udp->payload.size() == udp->header->length.host());
    }
    if (const auto icmp = parse_icmp(bytes)) {
        require_inside(icmp->payload, bytes);
        if (const auto quoted = parse_quoted_ipv4(icmp->payload)) {
            require_inside(quoted->options, icmp->payload);
            require_inside(quoted->payload, icmp->payload);
        }
    }
    if (const auto arp = parse_arp(bytes)) require((*arp)->hardware_length == 6);
}

void check_ipv4(Bytes bytes, int depth) {
    const auto ip = parse_ipv4(bytes);
    if (!ip) return;
    require_inside(ip->options, bytes);
    require_inside(ip->payload, bytes);
    require_inside(ip->header_bytes(), bytes);
    require(ip->options.size() <= 40);
    require(ip->header_bytes().size() + ip->payload.size() == ip->header->total_length.host());
    require(verify_ipv4_checksum(*ip) == (internet_checksum(ip->header_bytes()).host() == 0));
    read_all(ip->payload);
    check_segments(ip->payload);
    if (depth < 4) check_ipv4(ip->payload, depth + 1);
}

void check_transport(Bytes frame) {
    const auto view = parse_transport(frame);
    if (!view) {
        require(name(view.error()) != "unknown");
        return;
    }
    require(view->tcp == nullptr || view->udp == nullptr);
    require_inside(view->payload, frame);
    require_inside(view->tcp_options, frame);
    if (view->tcp != nullptr || view->udp != nullptr) require_inside(view->payload, view->ipv4.payload);
    require(view->flow.reversed().reversed() == view->flow);
}

void check_print(Bytes frame) {
    char text[kPrintedFrameSize];
    const auto whole = print_frame(frame, text);
    require(whole.size() < kPrintedFrameSize);  // "long enough for every line"
    require(whole.find('\n') == std::string_view::npos);
    char small[40];
    require(print_frame(frame, small) == whole.substr(0, sizeof small));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes bytes(data, size);
    if (const auto ethernet = parse_ethernet(bytes)) {
        require_inside(ethernet->payload, bytes);
        require(ethernet->tags <= 2);
        require(sizeof(EthernetHeader) + ethernet->tags * sizeof(VlanTag) + ethernet->payload.size() == size);
        check_ipv4(ethernet->payload, 0);
        check_segments(ethernet->payload);
    }
    check_ipv4(bytes, 0);
    check_segments(bytes);
    check_transport(bytes);
    check_print(bytes);
    return 0;
}
