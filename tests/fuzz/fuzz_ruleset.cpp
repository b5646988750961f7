// Any text as a packet filter's ruleset: it is refused in one sentence, or every packet gets a verdict in bounded time.
// Parts are separated by a zero byte: nft's JSON, its listing, iptables-nft-save, iptables-legacy-save.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "serverprep/firewall/ruleset.hpp"

namespace {

using namespace dsr::serverprep::firewall;
using dsr::wire::Ipv4Address;

void require(bool holds) {
    if (!holds) std::abort();
}

std::string next_part(std::string_view& text) {
    const auto end = text.find('\0');
    std::string part(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return part;
}

void check(const Ruleset& ruleset, const FilteredPacket& packet) {
    const FilterVerdict verdict = ruleset.judge(packet);
    const bool dropped = verdict.kind == FilterVerdict::Kind::dropped;
    require(dropped == !verdict.rule.empty() && dropped == !verdict.fix.empty());
    require(verdict.kind == FilterVerdict::Kind::unknown || verdict.remarks.empty());
    require(verdict.kind != FilterVerdict::Kind::unknown || !verdict.remarks.empty());
}

// Less known of a packet never makes more certain: what holds for all of a class holds for each of it.
void check_class(const Ruleset& ruleset, FilteredPacket packet) {
    check(ruleset, packet);
    const auto one = ruleset.judge(packet).kind;
    packet.source.reset();
    packet.source_port.reset();
    const auto all = ruleset.judge(packet).kind;
    require(all == FilterVerdict::Kind::unknown || all == one);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    RulesetText parts;
    parts.nft_json = next_part(text);
    parts.nft_listing = next_part(text);
    parts.iptables_nft = next_part(text);
    parts.iptables_legacy = next_part(text);
    const auto ruleset = Ruleset::parse(parts);
    if (!ruleset) {
        require(!ruleset.error().message.empty());
        return 0;
    }
    const auto vip = Ipv4Address::from_host(0xcb00710a), client = Ipv4Address::from_host(0x0a000032);
    FilteredPacket packet{.link = "eth0",
                          .source = client,
                          .destination = vip,
                          .protocol = 6,
                          .source_port = 40000,
                          .destination_port = 80};
    check_class(*ruleset, packet);
    packet.protocol = 17;
    check_class(*ruleset, packet);
    packet.protocol = 4;
    check_class(*ruleset, packet);
    check(*ruleset, {.direction = FilteredPacket::Direction::leaving,
                     .link = "eth0",
                     .source = vip,
                     .destination = {},
                     .protocol = 6,
                     .source_port = 80,
                     .destination_port = {},
                     .established = true});
    return 0;
}
