// Any frames through the whole data plane: every one ends in one verdict, what is not sent stays as it was, and what is
// forwarded differs from what came in only where Layer 2 DSR and a finished checksum say so.
//
// Input: frames one after the other, each as one byte of repairs, two bytes of length (big-endian) and its bytes.
// The repairs let mutations get past the checks that random bytes would never pass.
#include <cstdlib>

#include "lb/dataplane/offload.hpp"
#include "tests/unit/lb/network.hpp"

using namespace dsr;
using namespace dsr::lb;
using namespace dsr::lb::test;

namespace {

constexpr std::uint8_t kToLb = 1;       // destination MAC address: ours
constexpr std::uint8_t kToVip = 2;      // IPv4 destination: the VIP
constexpr std::uint8_t kChecksum = 4;   // IPv4 header checksum: right
constexpr std::uint8_t kSecondArm = 8;  // came in by the second interface

void require(bool holds) {
    if (!holds) std::abort();
}

void repair(wire::MutableBytes frame, std::uint8_t repairs) {
    if (frame.size() < sizeof(wire::EthernetHeader)) return;
    auto& ethernet = wire::header_at<wire::EthernetHeader>(frame);
    if ((repairs & kToLb) != 0) ethernet.destination = (repairs & kSecondArm) != 0 ? kLbServerSideMac : kLbMac;
    const auto view = wire::parse_ethernet(frame);
    if (!view || view->ether_type != wire::kEtherTypeIpv4 || view->payload.size() < sizeof(wire::Ipv4Header)) return;
    const std::size_t offset = frame.size() - view->payload.size();
    auto& ip = wire::header_at<wire::Ipv4Header>(frame, offset);
    if ((repairs & kToVip) != 0) ip.destination = kVip;
    if ((repairs & kChecksum) == 0 || ip.header_length() > view->payload.size()) return;
    ip.checksum = {};
    ip.checksum = wire::internet_checksum(frame.subspan(offset, ip.header_length()));
}

// Where the transport checksum may have been finished; 0: nowhere.
std::size_t checksum_position(wire::Bytes frame) {
    const auto view = wire::parse_transport(frame).value();
    const std::size_t transport = frame.size() - view.ethernet.payload.size() + view.ipv4.header->header_length();
    return transport +
           (view.tcp != nullptr ? offsetof(wire::TcpHeader, checksum) : offsetof(wire::UdpHeader, checksum));
}

void check_segments(wire::Bytes frame, std::uint16_t payload_size) {
    TcpSegmenter segmenter(frame, payload_size);
    std::array<std::uint8_t, 1600> scratch{};
    std::size_t sent = 0;
    while (!segmenter.done()) {
        const wire::Bytes segment = segmenter.next(scratch);
        const auto view = wire::parse_transport(segment).value();
        require(view.tcp != nullptr && !view.payload.empty());
        require(view.ipv4.header->total_length.host() <= 1500 && wire::verify_ipv4_checksum(view.ipv4));
        sent += view.payload.size();
    }
    require(sent == wire::parse_transport(frame)->payload.size());
}

void check(const Core& core, const Packet& packet, wire::Bytes before, wire::Bytes after) {
    require(before.size() == after.size());
    if (packet.verdict == Verdict::answered) return;
    if (packet.verdict != Verdict::forwarded) return require(std::ranges::equal(before, after));
    const auto& ethernet = wire::header_at<wire::EthernetHeader>(after);
    require(ethernet.destination == core.table->servers[packet.server].mac);
    require(ethernet.source == core.table->interfaces[packet.egress].mac);
    const std::size_t finished = checksum_position(after);
    for (std::size_t i = 12; i < after.size(); ++i)
        require(before[i] == after[i] || i == finished || i == finished + 1);
    if (packet.segment_payload != 0) check_segments(after, packet.segment_payload);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto frame = std::make_unique<Frame>();
    // Made once: the table and counters are large. Flows start anew, so that an input behaves the same every time.
    static Core core(two_server_config(), two_arms());
    core.flows = FlowTable(64);
    wire::Bytes input(data, size);
    for (FlowTime now = 0; input.size() >= 3; ++now) {
        const std::uint8_t repairs = input[0];
        const std::size_t length = std::min<std::size_t>(input[1] * 256U + input[2], input.size() - 3);
        std::ranges::copy(input.subspan(3, length), frame->buffer.begin());
        frame->length = length;
        input = input.subspan(3 + length);
        repair(frame->bytes(), repairs);
        const std::vector<std::uint8_t> before(frame->bytes().begin(), frame->bytes().end());
        const Packet packet = core.run(*frame, now, (repairs & kSecondArm) != 0 ? 1 : 0);
        check(core, packet, before, frame->bytes());
    }
    require(core.conserved());
    return 0;
}
