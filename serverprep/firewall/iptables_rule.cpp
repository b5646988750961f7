#include "serverprep/firewall/iptables_rule.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "common/wire/address.hpp"
#include "serverprep/firewall/iptables_target.hpp"
#include "serverprep/firewall/symbols.hpp"

namespace dsr::serverprep::firewall {
namespace {

using Words = std::vector<std::string>;

// An option with what belongs to it: '! --dports 80,443'.
struct Option {
    bool inverted = false;
    std::string name;
    Words values;
};

// What follows is somebody's words, also when it looks like an option.
bool takes_text(const std::string& name) {
    return name == "--comment" || name == "--log-prefix" || name == "--nflog-prefix" || name == "--string";
}

std::vector<Option> options_in(const Words& words) {
    std::vector<Option> options;
    bool inverted = false;
    for (const std::string& word : words) {
        const bool negative_number = word.size() > 1 && std::isdigit(static_cast<unsigned char>(word[1])) != 0;
        const bool text = !options.empty() && options.back().values.empty() && takes_text(options.back().name);
        if (text)
            options.back().values.push_back(word);
        else if (word == "!")
            inverted = true;
        else if (word.starts_with('-') && !negative_number)
            options.push_back({std::exchange(inverted, false), word, {}});
        else if (!options.empty())
            options.back().values.push_back(word);
    }
    return options;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::size_t start = 0;
    for (std::size_t at = text.find(separator); at != std::string::npos; at = text.find(separator, start)) {
        parts.push_back(text.substr(start, at - start));
        start = at + 1;
    }
    parts.push_back(text.substr(start));
    return parts;
}

std::string lower(std::string text) {
    for (char& c : text)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

Pattern between(std::optional<std::uint64_t> first, std::optional<std::uint64_t> last) {
    if (!first || !last) return {};
    return {.kind = Pattern::Kind::numbers, .first = *first, .last = *last};
}

// 'a', 'a:b', ':b' (ports), 'a-b' (addresses).
Pattern range(Field field, const std::string& text, char separator) {
    const auto parts = split(text, separator);
    if (parts.size() > 2) return {};
    const auto first = parts[0].empty() ? std::optional<std::uint64_t>(0) : number_of(field, parts[0]);
    if (parts.size() == 1) return between(first, first);
    return between(first, parts[1].empty() ? std::optional<std::uint64_t>(65535) : number_of(field, parts[1]));
}

// '10.0.0.0/8', or a mask with holes, which is not judged.
Pattern network(const std::string& text) {
    const auto prefix =
        text.find('/') == std::string::npos ? wire::Ipv4Prefix::parse(text + "/32") : wire::Ipv4Prefix::parse(text);
    if (!prefix) return {};
    const std::uint64_t first = prefix->network().host();
    return between(first, first | (~prefix->mask() & 0xffffffffU));
}

Pattern link(std::string text) {
    if (text.ends_with('+')) text.back() = '*';
    return {.kind = Pattern::Kind::name, .name = std::move(text)};
}

Match one_of(Operand operand, std::vector<Pattern> patterns, bool inverted) {
    ElementSet set;
    for (Pattern& pattern : patterns)
        set.elements.push_back({std::move(pattern)});
    return {.op = inverted ? Match::Operator::not_in : Match::Operator::in,
            .left = {std::move(operand)},
            .right = std::make_shared<ElementSet>(std::move(set))};
}

Match unjudged(std::string reason) {
    return one_of({.field = Field::unjudged, .reason = std::move(reason)}, {Pattern{}}, false);
}

std::vector<Pattern> patterns(Field field, const std::string& list, char separator) {
    std::vector<Pattern> all;
    for (const std::string& part : split(list, ','))
        all.push_back(range(field, lower(part), separator));
    return all;
}

Match tcp_flags(const Option& option) {
    const auto bits = [](const std::string& list) -> std::optional<std::uint64_t> {
        std::uint64_t all = 0;
        for (const std::string& name : split(lower(list), ',')) {
            const auto bit = name == "none"  ? 0
                             : name == "all" ? std::optional<std::uint64_t>(63)
                                             : number_of(Field::tcp_flags, name);
            if (!bit) return std::nullopt;
            all |= *bit;
        }
        return all;
    };
    const auto mask = bits(option.values[0]);
    const auto wanted = bits(option.values[1]);
    Operand flags{.field = Field::tcp_flags, .mask = mask.value_or(0), .protocol = 6};
    return one_of(std::move(flags), {mask ? between(wanted, wanted) : Pattern{}}, option.inverted);
}

// Options before any '-m'.
std::optional<Match> basic(const Option& option) {
    const std::string& name = option.name;
    if (name == "-f") return one_of({.field = Field::fragment, .mask = 0x1fff}, {between(0, 0)}, !option.inverted);
    if (option.values.size() != 1) return std::nullopt;
    const std::string& value = option.values[0];
    if (name == "-s") return one_of({.field = Field::source}, {network(value)}, option.inverted);
    if (name == "-d") return one_of({.field = Field::destination}, {network(value)}, option.inverted);
    if (name == "-i") return one_of({.field = Field::input_link}, {link(value)}, option.inverted);
    if (name == "-o") return one_of({.field = Field::output_link}, {link(value)}, option.inverted);
    if (name == "-p") return one_of({.field = Field::protocol}, {range(Field::protocol, value, ':')}, option.inverted);
    return std::nullopt;
}

std::optional<Match> port(const std::string& match, const Option& option) {
    const bool several = match == "multiport";
    const bool source = option.name == "--sport" || option.name == "--sports";
    const bool destination = option.name == "--dport" || option.name == "--dports";
    if (!source && !destination) return std::nullopt;
    const Field field = source ? Field::source_port : Field::destination_port;
    Operand operand{.field = field, .any_transport = several};
    if (match == "tcp") operand.protocol = 6;
    if (match == "udp") operand.protocol = 17;
    if (!several && !operand.protocol) return std::nullopt;
    return one_of(std::move(operand), patterns(field, option.values[0], ':'), option.inverted);
}

std::optional<Match> of_match(const std::string& match, const Option& option) {
    if (match == "tcp" && option.name == "--tcp-flags" && option.values.size() == 2) return tcp_flags(option);
    if (option.values.size() != 1) return std::nullopt;
    const std::string& value = option.values[0];
    if (match == "tcp" || match == "udp" || match == "multiport") return port(match, option);
    if ((match == "conntrack" && option.name == "--ctstate") || (match == "state" && option.name == "--state"))
        return one_of({.field = Field::ct_state}, patterns(Field::ct_state, value, '\0'), option.inverted);
    if (match == "addrtype" && option.name == "--src-type")
        return one_of({.field = Field::source_type}, patterns(Field::source_type, value, '\0'), option.inverted);
    if (match == "addrtype" && option.name == "--dst-type")
        return one_of({.field = Field::destination_type}, patterns(Field::destination_type, value, '\0'),
                      option.inverted);
    if (match == "iprange" && option.name == "--src-range")
        return one_of({.field = Field::source}, patterns(Field::source, value, '-'), option.inverted);
    if (match == "iprange" && option.name == "--dst-range")
        return one_of({.field = Field::destination}, patterns(Field::destination, value, '-'), option.inverted);
    if (match == "pkttype" && option.name == "--pkt-type")
        return one_of({.field = Field::packet_type}, patterns(Field::packet_type, value, '\0'), option.inverted);
    return std::nullopt;
}

// Matches and targets have options of their own, which follow them.
class SavedRule {
public:
    std::vector<Statement> read(const Words& words) {
        for (const Option& option : options_in(words))
            add(option);
        flush_target();
        return std::move(statements_);
    }

private:
    void add(const Option& option) {
        if (option.name == "-m" && option.values.size() == 1) {
            match_ = option.values[0];
        } else if ((option.name == "-j" || option.name == "-g") && option.values.size() == 1) {
            target_ = option;
        } else if (target_) {
            target_options_.push_back(option.name);
            target_options_.insert(target_options_.end(), option.values.begin(), option.values.end());
        } else if (match_ != "comment") {
            auto match = match_.empty() ? basic(option) : of_match(match_, option);
            statements_.emplace_back(match ? std::move(*match) : unjudged(reason(option)));
        }
    }

    [[nodiscard]] std::string reason(const Option& option) const {
        if (match_.empty()) return fmt::format("the option '{}' is not judged", option.name);
        return fmt::format("the match '-m {} {}' is not judged", match_, option.name);
    }

    void flush_target() {
        if (!target_) return;
        const std::string& name = target_->values[0];
        // A chain of the user's may have the name of a target nowhere: iptables refuses that.
        const bool chain = target_->name == "-g" || !is_target(name);
        if (chain)
            statements_.emplace_back(
                Verdict{.kind = target_->name == "-g" ? Verdict::Kind::go_to : Verdict::Kind::jump, .chain = name});
        else
            read_target(name, &target_options_, statements_);
    }

    // Targets are in capitals, as chains often are: read_saved_rule's caller resolves a jump to what is no chain.
    static bool is_target(const std::string& name) {
        return name == "ACCEPT" || name == "DROP" || name == "RETURN" || name == "REJECT" || name == "CT";
    }

    std::vector<Statement> statements_;
    std::string match_;
    std::optional<Option> target_;
    Words target_options_;
};

}  // namespace

std::vector<std::string> split_saved_line(const std::string& line) {
    std::vector<std::string> words;
    std::string word;
    bool quoted = false, any = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (c == '\\' && i + 1 < line.size())
            word += line[++i], any = true;
        else if (c == '"')
            quoted = !quoted, any = true;
        else if (c == ' ' && !quoted) {
            if (any) words.push_back(std::exchange(word, {}));
            any = false;
        } else
            word += c, any = true;
    }
    if (any) words.push_back(word);
    return words;
}

std::vector<Statement> read_saved_rule(const std::vector<std::string>& words) {
    return SavedRule().read(words);
}

}  // namespace dsr::serverprep::firewall
