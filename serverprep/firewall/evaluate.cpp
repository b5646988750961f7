#include "serverprep/firewall/evaluate.hpp"

#include <algorithm>
#include <utility>

#include "serverprep/firewall/match.hpp"

namespace dsr::serverprep::firewall {
namespace {

// The kernel's own limit, NFT_JUMP_STACK_SIZE.
constexpr int kDeepestJump = 16;
// Elements of sets compared for one packet in one base chain, and what visiting a rule costs in these: far more than
// any real ruleset asks for (40,000 rules), and still a moment.
constexpr std::int64_t kBudget = 2'000'000;
constexpr std::int64_t kRuleCost = 50;
constexpr const char* kTooLarge = "the ruleset is too large to be judged";

// What may become of packets in a rule or a chain; several at once when it is not known which.
struct Outcome {
    bool accepts = false;
    bool drops = false;
    bool returns = false;  // from the chain the rule stands in
    bool goes_on = false;  // with the next rule, or after the end of the chain

    void add(const Outcome& other) {
        accepts |= other.accepts;
        drops |= other.drops;
        returns |= other.returns;
        goes_on |= other.goes_on;
    }
};

class Walk {
public:
    Walk(const Table& table, const Chain& base, PacketState& state, ChainReport& report)
        : table_(table), place_(place_of(base)), state_(state), report_(report) {}

    Outcome chain(const Chain& chain, bool certain, int depth) {
        Outcome all;
        for (const Rule& rule : chain.rules) {
            const Outcome one = this->rule(chain, rule, certain, depth);
            // Whatever may come: the walk ends, however many jumps deep it is.
            if (budget_ < 0) return give_up(chain, rule, kTooLarge);
            all.add({.accepts = one.accepts, .drops = one.drops, .returns = false, .goes_on = one.returns});
            if (!one.goes_on) return all;
            // Some may have left: what follows is not done to all of them.
            if (one.accepts || one.returns) certain = false;
        }
        all.goes_on = true;
        return all;
    }

private:
    Outcome rule(const Chain& chain, const Rule& rule, bool certain, int depth) {
        Outcome all;
        budget_ -= kRuleCost;
        if (budget_ < 0) return give_up(chain, rule, kTooLarge);
        Truth reached = Truth::yes;
        for (const Statement& statement : rule.statements) {
            if (const auto* match = std::get_if<Match>(&statement)) {
                budget_ -= match->right ? static_cast<std::int64_t>(match->right->elements.size()) : 1;
                const Answer answer = ask(*match, state_, place_);
                if (answer.holds == Truth::no) {
                    all.goes_on = true;
                    return all;
                }
                if (answer.holds == Truth::maybe) {
                    reached = Truth::maybe;
                    all.goes_on = true;
                    doubt(chain, rule, answer.reason);
                }
            } else if (const auto* effect = std::get_if<Effect>(&statement)) {
                state_.apply(*effect, place_, certain && reached == Truth::yes);
                if (*effect == Effect::redirects) report_.redirecting.push_back(&rule);
                if (*effect == Effect::redirects || *effect == Effect::changes_source) {
                    all.accepts = true;
                    return all;
                }
            } else {
                const bool sure = certain && reached == Truth::yes;
                const Outcome one = std::holds_alternative<Verdict>(statement)
                                        ? verdict({&chain, &rule}, std::get<Verdict>(statement), sure, depth)
                                        : verdict_map({&chain, &rule}, std::get<VerdictMap>(statement), sure, depth);
                const bool on = one.goes_on;
                all.add(one);
                if (!on) return all;
                // A rule ends with its verdict; only 'continue' and a map without an entry go on, and nothing follows
                // them.
                if (!goes_on_in_rule(statement)) return all;
                if (one.accepts || one.drops || one.returns) reached = Truth::maybe;
            }
        }
        all.goes_on = true;
        return all;
    }

    static bool goes_on_in_rule(const Statement& statement) {
        const auto* verdict = std::get_if<Verdict>(&statement);
        return verdict && verdict->kind == Verdict::Kind::next;
    }

    struct Where {
        const Chain* chain;
        const Rule* rule;
    };

    Outcome verdict(const Where& at, const Verdict& verdict, bool certain, int depth) {
        switch (verdict.kind) {
            case Verdict::Kind::accept:
                return {.accepts = true};
            case Verdict::Kind::drop:
                report_.culprit = {at.chain, at.rule, names_the_packet(*at.rule)};
                return {.drops = true};
            case Verdict::Kind::next:
                return {.goes_on = true};
            case Verdict::Kind::back:
                return {.returns = true};
            case Verdict::Kind::jump:
                return into(at, verdict.chain, certain, depth);
            case Verdict::Kind::go_to: {
                Outcome inside = into(at, verdict.chain, certain, depth);
                inside.returns = std::exchange(inside.goes_on, false);
                return inside;
            }
            case Verdict::Kind::unjudged:
                return give_up(*at.chain, *at.rule, verdict.reason);
        }
        std::unreachable();
    }

    Outcome into(const Where& at, const std::string& name, bool certain, int depth) {
        const auto found = table_.chains.find(name);
        if (found == table_.chains.end() || depth >= kDeepestJump)
            return give_up(*at.chain, *at.rule, "where it jumps to is not understood");
        return chain(found->second, certain, depth + 1);
    }

    Outcome verdict_map(const Where& at, const VerdictMap& map, bool certain, int depth) {
        const auto values = values_of(map.left, state_, place_);
        if (any_absent(values)) return {.goes_on = true};
        Outcome all;
        bool catch_all = false;
        std::size_t other = 0;
        budget_ -= static_cast<std::int64_t>(map.verdicts.size());
        for (std::size_t i = 0; i < map.verdicts.size(); ++i) {
            if (is_catch_all(map.elements->elements[i])) {
                catch_all = true;
                other = i;
                continue;
            }
            const Answer answer = ask_element(map, i, values);
            if (answer.holds == Truth::no) continue;
            if (answer.holds == Truth::maybe) doubt(*at.chain, *at.rule, answer.reason);
            all.add(verdict(at, map.verdicts[i], certain && answer.holds == Truth::yes, depth));
            if (answer.holds == Truth::yes) return all;
        }
        const bool sure =
            certain && map.elements->unjudged.empty() && !all.accepts && !all.drops && !all.returns && !all.goes_on;
        if (!map.elements->unjudged.empty()) return give_up(*at.chain, *at.rule, map.elements->unjudged);
        if (catch_all)
            all.add(verdict(at, map.verdicts[other], sure, depth));
        else
            all.goes_on = true;
        return all;
    }

    static bool is_catch_all(const Element& element) {
        return std::ranges::all_of(element, [](const Pattern& part) { return part.kind == Pattern::Kind::anything; });
    }

    void doubt(const Chain& chain, const Rule& rule, const std::string& reason) {
        for (const Uncertainty& known : report_.uncertainties)
            if (known.rule == &rule) return;
        if (report_.uncertainties.size() < kMostDoubts) report_.uncertainties.push_back({&chain, &rule, reason});
    }

    Outcome give_up(const Chain& chain, const Rule& rule, const std::string& reason) {
        doubt(chain, rule, reason);
        return {.accepts = true, .drops = true, .returns = true, .goes_on = true};
    }

    // One service's packets and nobody else's: such a rule may be deleted, others had better get an exception.
    [[nodiscard]] bool names_the_packet(const Rule& rule) const {
        return std::ranges::any_of(rule.statements, [&](const Statement& statement) {
            const auto* match = std::get_if<Match>(&statement);
            return match && match->op == Match::Operator::in && match->left.size() == 1 && names_the_packet(*match);
        });
    }

    [[nodiscard]] bool names_the_packet(const Match& match) const {
        const bool arriving = state_.packet->direction == FilteredPacket::Direction::arriving;
        const bool tcp_or_udp = state_.packet->protocol == 6 || state_.packet->protocol == 17;
        const Field field = match.left[0].field;
        const bool ours = field == (arriving ? Field::destination : Field::source) ||
                          field == (arriving ? Field::destination_port : Field::source_port) ||
                          (field == Field::protocol && !tcp_or_udp);
        if (!ours || !match.right || match.right->elements.size() != 1) return false;
        const Pattern& only = match.right->elements[0][0];
        return only.kind == Pattern::Kind::numbers && only.first == only.last;
    }

    static constexpr std::size_t kMostDoubts = 16;

    const Table& table_;
    const Place place_;
    PacketState& state_;
    ChainReport& report_;
    std::int64_t budget_ = kBudget;
};

}  // namespace

ChainReport evaluate(const Table& table, const Chain& base, PacketState& state, bool certain) {
    ChainReport report;
    const Outcome outcome = Walk(table, base, state, report).chain(base, certain, 0);
    report.outcome = {.passes = outcome.accepts, .drops = outcome.drops};
    if (outcome.goes_on && base.drops_by_policy) {
        report.outcome.drops = true;
        report.culprit = {.chain = &base, .rule = nullptr, .names_the_packet = false};
    } else if (outcome.goes_on) {
        report.outcome.passes = true;
    }
    return report;
}

}  // namespace dsr::serverprep::firewall
