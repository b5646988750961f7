#include "serverprep/firewall/ruleset.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "serverprep/firewall/evaluate.hpp"
#include "serverprep/firewall/iptables_save.hpp"
#include "serverprep/firewall/read_listing.hpp"
#include "serverprep/firewall/read_ruleset.hpp"
#include "serverprep/firewall/wording.hpp"

namespace dsr::serverprep::firewall {
namespace {

struct Base {
    const Table* table = nullptr;
    const Chain* chain = nullptr;
    Truth applies = Truth::yes;
    std::string doubt{};
    std::size_t position = 0;
};

std::span<const Hook> way_of(FilteredPacket::Direction direction) {
    static constexpr std::array kIn = {Hook::ingress, Hook::prerouting, Hook::input};
    static constexpr std::array kOut = {Hook::output, Hook::postrouting, Hook::egress};
    return direction == FilteredPacket::Direction::arriving ? kIn : kOut;
}

// Chains of type nat are run together where the kernel's nat hook is, whatever their own priority; it orders them
// there.
std::pair<std::int64_t, std::int64_t> order(const Chain& chain) {
    if (chain.type != "nat") return {chain.priority, 0};
    const bool first = chain.hook == Hook::prerouting || chain.hook == Hook::output;
    return {first ? -100 : 100, chain.priority};
}

Truth on_link(const Chain& chain, const std::string& link) {
    if (chain.hook != Hook::ingress && chain.hook != Hook::egress) return Truth::yes;
    if (!chain.devices) return Truth::maybe;
    return truth(std::ranges::any_of(*chain.devices, [&](const std::string& device) {
        return device.ends_with('*') ? link.starts_with(device.substr(0, device.size() - 1)) : device == link;
    }));
}

std::vector<Base> chains_on(const std::vector<Table>& tables, Hook hook, const std::string& link) {
    std::vector<Base> bases;
    for (const Table& table : tables)
        for (const auto& [name, chain] : table.chains) {
            if (chain.hook != hook) continue;
            const Truth here = on_link(chain, link);
            Base base{.table = &table, .chain = &chain, .applies = here && !table.dormant};
            if (here == Truth::maybe)
                base.doubt = "the ruleset does not say on which interface";
            else if (table.dormant == Truth::maybe)
                base.doubt = "the table may be dormant";
            else if (chain.type == "nat")
                base.doubt = "a chain of type nat sees only packets that are tracked";
            base.position = bases.size();
            if (base.applies != Truth::no) bases.push_back(std::move(base));
        }
    std::ranges::sort(bases, {}, [](const Base& base) { return std::pair(order(*base.chain), base.position); });
    return bases;
}

class Judgement {
public:
    Judgement(const std::vector<Table>& tables, const FilteredPacket& packet)
        : tables_(tables), packet_(packet), state_(packet) {}

    FilterVerdict judge() {
        for (const Hook hook : way_of(packet_.direction)) {
            const auto bases = chains_on(tables_, hook, packet_.link);
            for (const Base& base : bases)
                if (pass_through(base, alone(bases, base))) return verdict_;
        }
        if (doubtful_ || state_.redirected) verdict_.kind = FilterVerdict::Kind::unknown;
        return verdict_;
    }

private:
    // Among chains of one priority the order is not told, and so not what a rule's effect reaches.
    static bool alone(const std::vector<Base>& bases, const Base& base) {
        return std::ranges::count_if(bases,
                                     [&](const Base& other) { return order(*other.chain) == order(*base.chain); }) == 1;
    }

    // True when the packet certainly ends here.
    bool pass_through(const Base& base, bool alone) {
        const bool nat = base.chain->type == "nat";
        const bool arriving = packet_.direction == FilteredPacket::Direction::arriving;
        // Only a connection's first packet goes through nat's rules; replies never, and the untracked neither.
        if (nat && (state_.untracked == Truth::yes || (packet_.established && !arriving))) return false;
        ChainReport report = evaluate(*base.table, *base.chain, state_, alone && base.applies == Truth::yes);
        for (const Rule* rule : report.redirecting)
            remark(name_of(*base.table, *base.chain, rule) +
                   ": sends the packet to another address or port than the VIP's");
        if (nat && packet_.established) return false;
        // What was redirected may be forwarded, and not come to this host's input.
        const bool elsewhere =
            state_.redirected && (base.chain->hook == Hook::input || base.chain->hook == Hook::postrouting ||
                                  base.chain->hook == Hook::egress);
        // Whether nat's rules see packets depends on somebody having turned on connection tracking.
        const bool sure = base.applies == Truth::yes && !elsewhere && !nat;
        if (!report.outcome.drops) return false;
        if (!report.outcome.passes && sure) return end(base, report.culprit);
        note(base, report);
        return false;
    }

    bool end(const Base& base, const Culprit& culprit) {
        verdict_ = {.kind = FilterVerdict::Kind::dropped,
                    .rule = name_of(*base.table, *culprit.chain, culprit.rule),
                    .fix = fix_for(*base.table, *base.chain, culprit, packet_)};
        return true;
    }

    void note(const Base& base, const ChainReport& report) {
        doubtful_ = true;
        if (!base.doubt.empty())
            remark(fmt::format("{} {} {}: {}", base.table->family, base.table->name, base.chain->name, base.doubt));
        for (const Uncertainty& one : report.uncertainties)
            remark(fmt::format("{}: {}", name_of(*base.table, *one.chain, one.rule), one.reason));
    }

    void remark(std::string text) {
        if (std::ranges::find(verdict_.remarks, text) == verdict_.remarks.end())
            verdict_.remarks.push_back(std::move(text));
    }

    const std::vector<Table>& tables_;
    const FilteredPacket& packet_;
    PacketState state_;
    FilterVerdict verdict_;
    bool doubtful_ = false;
};

}  // namespace

Result<Ruleset> Ruleset::parse(const RulesetText& text) {
    std::vector<Table> tables;
    if (!text.nft_json.empty()) {
        auto read = read_ruleset(text.nft_json);
        if (!read) return std::unexpected(read.error());
        tables = std::move(*read);
    }
    add_listing(text.nft_listing, tables);
    add_iptables_nft(text.iptables_nft, tables);
    add_iptables_legacy(text.iptables_legacy, tables);
    Ruleset ruleset;
    ruleset.tables_ = std::make_shared<const std::vector<Table>>(std::move(tables));
    return ruleset;
}

Result<Ruleset> Ruleset::parse(const std::string& nft_json) {
    return parse(RulesetText{.nft_json = nft_json});
}

FilterVerdict Ruleset::judge(const FilteredPacket& packet) const {
    return Judgement(*tables_, packet).judge();
}

bool Ruleset::filters_anything() const {
    return std::ranges::any_of(*tables_, [](const Table& table) {
        return table.dormant != Truth::yes &&
               std::ranges::any_of(table.chains, [](const auto& entry) { return entry.second.hook != Hook::none; });
    });
}

std::string to_string(FilterVerdict::Kind kind) {
    switch (kind) {
        case FilterVerdict::Kind::passes:
            return "passes";
        case FilterVerdict::Kind::dropped:
            return "dropped";
        case FilterVerdict::Kind::unknown:
            return "unknown";
    }
    std::unreachable();
}

}  // namespace dsr::serverprep::firewall
