#include "serverprep/firewall/packet_state.hpp"

#include <utility>

#include "serverprep/firewall/symbols.hpp"

namespace dsr::serverprep::firewall {
namespace {

constexpr std::int64_t kConntrackPriority = -200;  // NF_IP_PRI_CONNTRACK

FieldValue exactly(std::uint64_t number) {
    return {.possible = {Possible::exactly(number)}};
}

FieldValue unknown(std::string reason) {
    return {.reason = std::move(reason)};
}

FieldValue link(const std::string& name) {
    return {.name = name, .is_name = true};
}

// Unicast addresses other than loopback: a filter against forged sources does not concern clients.
FieldValue any_client() {
    return {.possible = {Possible::between(0x01000000, 0x7effffff), Possible::between(0x80000000, 0xdfffffff)},
            .reason = "depends on the client's address"};
}

bool has_ports(std::uint8_t protocol) {
    return protocol == 6 || protocol == 17;
}

}  // namespace

Place place_of(const Chain& chain) {
    switch (chain.hook) {
        case Hook::ingress:
            return {chain.hook, Truth::no};
        case Hook::egress:
            return {chain.hook, Truth::maybe};
        case Hook::prerouting:
        case Hook::output:
            if (chain.type == "nat") return {chain.hook, Truth::yes};
            if (chain.priority == kConntrackPriority) return {chain.hook, Truth::maybe};
            return {chain.hook, truth(chain.priority > kConntrackPriority)};
        default:
            return {chain.hook, Truth::yes};
    }
}

void PacketState::apply(Effect effect, const Place& place, bool certain) {
    switch (effect) {
        case Effect::untracks:
            // Once tracked, a packet stays so.
            if (place.tracked == Truth::yes) return;
            untracked = certain && place.tracked == Truth::no ? Truth::yes : untracked || Truth::maybe;
            return;
        case Effect::may_untrack:
            if (place.tracked != Truth::yes) untracked = untracked || Truth::maybe;
            tracking_changed = true;
            return;
        case Effect::changes_tracking:
            tracking_changed = true;
            return;
        case Effect::redirects:
            redirected = true;
            return;
        case Effect::changes_source:
        case Effect::rewrites:
            rewritten = true;
            return;
        case Effect::changes_packet_type:
            packet_type_changed = true;
            return;
    }
}

FieldValue PacketState::value(const Operand& operand, const Place& place) const {
    if (operand.field == Field::absent || (operand.protocol && *operand.protocol != packet->protocol))
        return {.absent = true, .possible = {}};
    if (operand.any_transport && !has_ports(packet->protocol)) return unknown("compares raw bytes of the packet");
    FieldValue value = field(operand, place);
    for (Possible& one : value.possible)
        one = one.masked(operand.mask);
    return value;
}

FieldValue PacketState::field(const Operand& operand, const Place& place) const {
    const bool arriving = packet->direction == FilteredPacket::Direction::arriving;
    switch (operand.field) {
        case Field::unjudged:
        case Field::absent:
            return unknown(operand.reason);
        // The kernel compares with an empty name where there is no device.
        case Field::input_link:
            return link(arriving ? packet->link : std::string());
        case Field::output_link:
            return link(arriving ? std::string() : packet->link);
        case Field::source:
            return address(true);
        case Field::destination:
            return address(false);
        case Field::source_port:
            return port(true);
        case Field::destination_port:
            return port(false);
        case Field::protocol:
            return exactly(packet->protocol);
        case Field::ct_state:
            return ct_state(place);
        case Field::ct_status:
            return ct_status(place);
        case Field::tcp_flags:
            return tcp_flags();
        // Whole packets only; 'do not fragment' may be set.
        case Field::fragment:
            return {.possible = {Possible::with_bits(0, 0xbfff, 16)}, .reason = "depends on the packet's DF flag"};
        case Field::ip_version:
            return exactly(4);
        case Field::nfproto:
            return exactly(2);
        case Field::ethertype:
            return exactly(0x0800);
        case Field::packet_type:
            return arriving && !packet_type_changed ? exactly(0) : unknown("depends on the packet's type");
        case Field::source_type:
            return address_type(true);
        case Field::destination_type:
            return address_type(false);
    }
    std::unreachable();
}

FieldValue PacketState::ct_state(const Place& place) const {
    FieldValue state{.reason = "depends on the state of connection tracking"};
    if (tracking_changed && place.tracked != Truth::yes) return state;
    const auto add = [&](std::uint64_t number) { state.possible.push_back(Possible::exactly(number)); };
    if (untracked != Truth::no) add(kCtUntracked);
    if (untracked == Truth::yes) return state;
    // nft_ct says 'invalid' of a packet that has no connection (yet).
    if (place.tracked != Truth::yes) add(kCtInvalid);
    if (place.tracked != Truth::no) add(packet->established ? kCtEstablished : kCtNew);
    return state;
}

// Of all bits only 'dnat' is judged: firewalls let through what was redirected.
FieldValue PacketState::ct_status(const Place& place) const {
    const bool sure = place.tracked == Truth::yes && untracked == Truth::no && !packet->established && !redirected;
    if (!sure) return unknown("depends on the status of the connection");
    return {.possible = {Possible::with_bits(0, kCtStatusDnat, 32)},
            .reason = "depends on the status of the connection"};
}

FieldValue PacketState::address(bool source) const {
    if (rewritten || (redirected && !source)) return unknown("the address was changed by an earlier rule");
    const auto& known = source ? packet->source : packet->destination;
    if (known) return exactly(known->host());
    const bool client = source == (packet->direction == FilteredPacket::Direction::arriving);
    return client ? any_client() : unknown("depends on an address of this host");
}

FieldValue PacketState::port(bool source) const {
    if (rewritten || (redirected && !source)) return unknown("the port was changed by an earlier rule");
    if (!has_ports(packet->protocol)) return unknown("depends on a port");
    const auto& known = source ? packet->source_port : packet->destination_port;
    if (known) return exactly(*known);
    const bool client = source == (packet->direction == FilteredPacket::Direction::arriving);
    return {.possible = {Possible::between(1, 65535)},
            .reason = client ? "depends on the client's port" : "depends on the service's port"};
}

FieldValue PacketState::address_type(bool source) const {
    if (rewritten || (redirected && !source)) return unknown("the address was changed by an earlier rule");
    const bool client = source == (packet->direction == FilteredPacket::Direction::arriving);
    if (!client) return exactly(kTypeLocal);
    // Never this host's own, nor a group's; the route to it may be a blackhole.
    return {.possible = {Possible::exactly(kTypeUnicast), Possible::between(6, 8)},
            .reason = "depends on the route to the client"};
}

FieldValue PacketState::tcp_flags() const {
    if (packet->established) return unknown("depends on the TCP flags");
    // The first packet of a connection; it may offer ECN.
    return {.possible = {Possible::with_bits(kTcpSyn, 0x3f, 8)}, .reason = "depends on the TCP flags"};
}

}  // namespace dsr::serverprep::firewall
