#include "lb/dataplane/verdict.hpp"

namespace dsr::lb {

std::string_view name(Verdict verdict) {
    switch (verdict) {
        case Verdict::forwarded:
            return "forwarded";
        case Verdict::answered:
            return "answered";
        case Verdict::passed:
            return "passed";
        case Verdict::dropped:
            return "dropped";
        case Verdict::held:
            return "held";
    }
    return "unknown";
}

std::string_view name(Answer answer) {
    switch (answer) {
        case Answer::arp:
            return "arp";
        case Answer::icmp_echo:
            return "icmp_echo";
        case Answer::fragmentation_needed:
            return "fragmentation_needed";
    }
    return "unknown";
}

std::string_view name(Drop reason) {
    switch (reason) {
        case Drop::not_served:
            return "not_served";
        case Drop::fragment:
            return "fragment";
        case Drop::fragment_expired:
            return "fragment_expired";
        case Drop::fragment_overflow:
            return "fragment_overflow";
        case Drop::icmp_unknown_flow:
            return "icmp_unknown_flow";
        case Drop::no_server:
            return "no_server";
        case Drop::no_neighbor:
            return "no_neighbor";
        case Drop::bounced:
            return "bounced";
        case Drop::udp_super_frame:
            return "udp_super_frame";
        case Drop::tcp_checksum:
            return "tcp_checksum";
        case Drop::exceeds_mtu:
            return "exceeds_mtu";
        case Drop::transmit_failed:
            return "transmit_failed";
        default:
            return wire::name(static_cast<wire::ParseError>(reason));
    }
}

}  // namespace dsr::lb
