// Whether this host's packet filter lets packets pass: its whole ruleset, and the judgement over all hooks on a
// packet's way. 'dropped' is said only of what the kernel certainly drops; what depends on anything not known is
// 'unknown', with the rules it depends on. Knows nothing of how rulesets are got from the kernel.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/firewall/filtered_packet.hpp"

namespace dsr::serverprep::firewall {

// What the machine's own programs print. Only the first is needed; each of the others makes fewer things unknown.
struct RulesetText {
    std::string nft_json{};         // nft -j list ruleset
    std::string nft_listing{};      // nft -a list ruleset
    std::string iptables_nft{};     // iptables-nft-save
    std::string iptables_legacy{};  // iptables-legacy-save
};

struct FilterVerdict {
    enum class Kind : std::uint8_t { passes, dropped, unknown };
    Kind kind = Kind::passes;
    std::string rule{};                  // dropped: 'inet filter input, handle 7: ip daddr 203.0.113.10 drop'
    std::vector<std::string> remarks{};  // unknown: a rule and what it depends on, one a line
    std::string fix{};                   // dropped: one command; another rule may drop the packet after it
};

struct Table;

class Ruleset {
public:
    // An empty nft_json is a host without nftables.
    static Result<Ruleset> parse(const RulesetText& text);
    static Result<Ruleset> parse(const std::string& nft_json);

    [[nodiscard]] FilterVerdict judge(const FilteredPacket& packet) const;
    // Whether there is any chain that packets go through.
    [[nodiscard]] bool filters_anything() const;

private:
    std::shared_ptr<const std::vector<Table>> tables_{};
};

std::string to_string(FilterVerdict::Kind kind);

}  // namespace dsr::serverprep::firewall
