#include "serverprep/firewall/symbols.hpp"

#include <charconv>
#include <span>

#include "common/wire/address.hpp"

namespace dsr::serverprep::firewall {
namespace {

struct Symbol {
    std::string_view name;
    std::uint64_t number;
};

// As /etc/protocols has them, from which both programs take the names; one that is not here is not judged.
constexpr Symbol kProtocols[] = {
    {"icmp", 1},  {"igmp", 2},   {"ipencap", 4},  {"ipip", 4},   {"tcp", 6},        {"udp", 17},      {"dccp", 33},
    {"ipv6", 41}, {"gre", 47},   {"esp", 50},     {"ah", 51},    {"ipv6-icmp", 58}, {"icmpv6", 58},   {"ospf", 89},
    {"pim", 103}, {"comp", 108}, {"ipcomp", 108}, {"vrrp", 112}, {"sctp", 132},     {"udplite", 136},
};
constexpr Symbol kCtStates[] = {
    {"invalid", kCtInvalid}, {"established", kCtEstablished}, {"related", kCtRelated},
    {"new", kCtNew},         {"untracked", kCtUntracked},
};
constexpr Symbol kCtStatus[] = {
    {"expected", 1}, {"seen-reply", 2},       {"assured", 4}, {"confirmed", 8},
    {"snat", 16},    {"dnat", kCtStatusDnat}, {"dying", 512},
};
constexpr Symbol kTcpFlags[] = {
    {"fin", 1}, {"syn", kTcpSyn}, {"rst", 4}, {"psh", 8}, {"ack", 16}, {"urg", 32}, {"ecn", 64}, {"cwr", 128},
};
constexpr Symbol kNfproto[] = {{"ipv4", 2}, {"ipv6", 10}};
constexpr Symbol kEthertypes[] = {{"ip", 0x0800},   {"arp", 0x0806},   {"ip6", 0x86dd},
                                  {"vlan", 0x8100}, {"8021q", 0x8100}, {"8021ad", 0x88a8}};
constexpr Symbol kPacketTypes[] = {{"host", 0}, {"unicast", 0}, {"broadcast", 1}, {"multicast", 2}, {"other", 3}};
constexpr Symbol kAddressTypes[] = {
    {"unspec", 0},    {"unicast", 1},   {"local", 2},       {"broadcast", 3}, {"anycast", 4},
    {"multicast", 5}, {"blackhole", 6}, {"unreachable", 7}, {"prohibit", 8},
};

std::span<const Symbol> vocabulary(Field field) {
    switch (field) {
        case Field::protocol:
            return kProtocols;
        case Field::ct_state:
            return kCtStates;
        case Field::ct_status:
            return kCtStatus;
        case Field::tcp_flags:
            return kTcpFlags;
        case Field::nfproto:
            return kNfproto;
        case Field::ethertype:
            return kEthertypes;
        case Field::packet_type:
            return kPacketTypes;
        case Field::source_type:
        case Field::destination_type:
            return kAddressTypes;
        default:
            return {};
    }
}

}  // namespace

namespace {

std::optional<std::uint64_t> number(std::string_view text, int base) {
    std::uint64_t result = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result, base);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return result;
}

}  // namespace

std::optional<std::uint64_t> decimal(std::string_view text) {
    return number(text, 10);
}

std::optional<std::uint64_t> number_of(Field field, std::string_view text) {
    if (field == Field::source || field == Field::destination) {
        const auto address = wire::Ipv4Address::parse(text);
        return address ? std::optional<std::uint64_t>(address->host()) : std::nullopt;
    }
    for (const Symbol& symbol : vocabulary(field))
        if (symbol.name == text) return symbol.number;
    return text.starts_with("0x") ? number(text.substr(2), 16) : decimal(text);
}

}  // namespace dsr::serverprep::firewall
