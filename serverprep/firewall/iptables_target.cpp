#include "serverprep/firewall/iptables_target.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace dsr::serverprep::firewall {
namespace {

constexpr std::array<std::string_view, 23> kHarmless = {
    "LOG",   "NFLOG", "ULOG", "MARK",      "CONNMARK", "SECMARK",  "CONNSECMARK", "TCPMSS",
    "TOS",   "DSCP",  "TTL",  "HL",        "ECN",      "CHECKSUM", "CLASSIFY",    "SET",
    "TRACE", "AUDIT", "TEE",  "IDLETIMER", "LED",      "RATEEST",  "TCPOPTSTRIP"};
constexpr std::array<std::string_view, 3> kRedirecting = {"DNAT", "REDIRECT", "NETMAP"};

template <std::size_t n>
bool holds(const std::array<std::string_view, n>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

Effect tracking(const std::string& name, const std::vector<std::string>* options) {
    if (name == "NOTRACK") return Effect::untracks;
    if (!options) return Effect::may_untrack;
    return std::ranges::find(*options, "--notrack") != options->end() ? Effect::untracks : Effect::changes_tracking;
}

}  // namespace

void read_target(const std::string& name, const std::vector<std::string>* options, std::vector<Statement>& out) {
    using Kind = Verdict::Kind;
    if (name == "REJECT" || name == "DROP")
        out.emplace_back(Verdict{.kind = Kind::drop});
    else if (name == "ACCEPT")
        out.emplace_back(Verdict{.kind = Kind::accept});
    else if (name == "RETURN")
        out.emplace_back(Verdict{.kind = Kind::back});
    else if (name == "CT" || name == "NOTRACK")
        out.emplace_back(tracking(name, options));
    else if (holds(kRedirecting, name))
        out.emplace_back(Effect::redirects);
    else if (name == "SNAT" || name == "MASQUERADE")
        out.emplace_back(Effect::changes_source);
    else if (!holds(kHarmless, name))
        out.emplace_back(
            Verdict{.kind = Kind::unjudged, .reason = fmt::format("what target '{}' does is not judged", name)});
}

}  // namespace dsr::serverprep::firewall
