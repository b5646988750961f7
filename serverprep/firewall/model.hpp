// Rules as the evaluator wants them: every name resolved, every expression either understood or marked as not judged.
// Knows neither JSON nor the form of iptables-save.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "serverprep/firewall/value.hpp"

namespace dsr::serverprep::firewall {

enum class Field : std::uint8_t {
    unjudged,
    absent,  // of another family
    input_link,
    output_link,
    source,
    destination,
    source_port,
    destination_port,
    protocol,
    ct_state,
    ct_status,
    tcp_flags,
    fragment,
    ip_version,
    nfproto,
    ethertype,
    packet_type,
    source_type,  // what the routing table says an address is
    destination_type,
};

struct Operand {
    Field field = Field::unjudged;
    std::uint64_t mask = ~std::uint64_t{0};
    std::optional<std::uint8_t> protocol{};  // a field of this protocol's header: no other packet has it
    bool any_transport = false;              // a port of whatever protocol it is
    std::string reason{};                    // why it is not judged
};

using Element = std::vector<Pattern>;  // one for each operand

struct ElementSet {
    std::vector<Element> elements{};
    std::string unjudged{};  // why what it holds is not known, if it is not
};

struct Match {
    enum class Operator : std::uint8_t { in, not_in, any_bit, no_bit };
    Operator op = Operator::in;
    std::vector<Operand> left{};
    std::shared_ptr<const ElementSet> right{};
    std::uint64_t bits = 0;  // for any_bit and no_bit
};

struct Verdict {
    enum class Kind : std::uint8_t { accept, drop, next, back, jump, go_to, unjudged };
    Kind kind = Kind::unjudged;
    std::string chain{};
    std::string reason{};
};

struct VerdictMap {
    std::vector<Operand> left{};
    std::shared_ptr<const ElementSet> elements{};
    std::vector<Verdict> verdicts{};  // one for each element
};

// What a statement does to what later rules see. `redirects` (dnat and its kin) and `changes_source` (snat) are
// verdicts as well: they accept.
enum class Effect : std::uint8_t {
    untracks,
    may_untrack,
    changes_tracking,
    redirects,
    changes_source,
    rewrites,
    changes_packet_type
};

using Statement = std::variant<Match, VerdictMap, Verdict, Effect>;

struct Rule {
    std::uint64_t handle = 0;
    std::string text{};
    std::string iptables{};           // 'INPUT -p tcp -j DROP', for iptables -D; empty if it is not known
    bool has_iptables_parts = false;  // that nft shows only by name
    std::vector<Statement> statements{};
};

enum class Hook : std::uint8_t { none, ingress, prerouting, input, output, postrouting, egress, other };
enum class Backend : std::uint8_t { nft, iptables_nft, iptables_legacy };

struct Chain {
    std::string name{};
    Hook hook = Hook::none;
    std::string type{};
    std::int64_t priority = 0;
    bool drops_by_policy = false;
    std::optional<std::vector<std::string>> devices{};  // of ingress and egress; none: the ruleset does not say
    std::vector<Rule> rules{};
};

struct Table {
    std::string family{};
    std::string name{};
    Backend backend = Backend::nft;
    Truth dormant = Truth::no;
    std::map<std::string, Chain> chains{};
};

}  // namespace dsr::serverprep::firewall
