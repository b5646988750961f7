#include "serverprep/firewall/wording.hpp"

#include <string_view>

#include <fmt/format.h>

namespace dsr::serverprep::firewall {
namespace {

const char* iptables_of(const Table& table) {
    return table.backend == Backend::iptables_legacy ? "iptables-legacy" : "iptables-nft";
}

// A word for a shell; names of chains hardly ever need quotes.
std::string word(const std::string& text) {
    constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:";
    if (!text.empty() && text.find_first_not_of(kPlain) == std::string::npos) return text;
    std::string quoted = "'";
    for (const char c : text)
        quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return quoted + "'";
}

bool has_ports(const FilteredPacket& packet) {
    return packet.protocol == 6 || packet.protocol == 17;
}

// The part of the packet that this host decides: of what arrives where it goes to, of what leaves where it comes from.
std::string nft_match(const FilteredPacket& packet) {
    const bool arriving = packet.direction == FilteredPacket::Direction::arriving;
    const char* transport = packet.protocol == 6 ? "tcp" : "udp";
    std::string text;
    if (packet.source) text += fmt::format("ip saddr {} ", to_string(*packet.source));
    if (packet.destination) text += fmt::format("ip daddr {} ", to_string(*packet.destination));
    if (!has_ports(packet)) return text + fmt::format("ip protocol {} ", packet.protocol);
    const auto port = arriving ? packet.destination_port : packet.source_port;
    if (!port) return text + fmt::format("ip protocol {} ", transport);
    return text + fmt::format("{} {} {} ", transport, arriving ? "dport" : "sport", *port);
}

std::string iptables_match(const FilteredPacket& packet) {
    const bool arriving = packet.direction == FilteredPacket::Direction::arriving;
    std::string text;
    if (packet.source) text += fmt::format("-s {} ", to_string(*packet.source));
    if (packet.destination) text += fmt::format("-d {} ", to_string(*packet.destination));
    const std::string protocol = packet.protocol == 6    ? "tcp"
                                 : packet.protocol == 17 ? "udp"
                                                         : fmt::to_string(packet.protocol);
    text += fmt::format("-p {} ", protocol);
    const auto port = arriving ? packet.destination_port : packet.source_port;
    if (has_ports(packet) && port) text += fmt::format("{} {} ", arriving ? "--dport" : "--sport", *port);
    return text;
}

}  // namespace

std::string name_of(const Table& table, const Chain& chain, const Rule* rule) {
    const std::string place = table.backend == Backend::iptables_legacy
                                  ? fmt::format("iptables-legacy {} {}", table.name, chain.name)
                                  : fmt::format("{} {} {}", table.family, table.name, chain.name);
    if (!rule) return place + ": policy drop";
    std::string text = rule->handle == 0 ? place : fmt::format("{}, handle {}", place, rule->handle);
    return rule->text.empty() ? text : fmt::format("{}: {}", text, rule->text);
}

std::string fix_for(const Table& table, const Chain& base, const Culprit& culprit, const FilteredPacket& packet) {
    const bool iptables = table.backend != Backend::nft;
    if (culprit.rule && culprit.names_the_packet) {
        if (iptables && !culprit.rule->iptables.empty())
            return fmt::format("{} -t {} -D {}", iptables_of(table), table.name, culprit.rule->iptables);
        return fmt::format("nft delete rule {} {} {} handle {}", table.family, word(table.name),
                           word(culprit.chain->name), culprit.rule->handle);
    }
    if (iptables)
        return fmt::format("{} -t {} -I {} {}-j ACCEPT", iptables_of(table), table.name, base.name,
                           iptables_match(packet));
    return fmt::format("nft insert rule {} {} {} {}accept", table.family, word(table.name), word(base.name),
                       nft_match(packet));
}

}  // namespace dsr::serverprep::firewall
