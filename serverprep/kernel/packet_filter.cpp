#include "serverprep/kernel/packet_filter.hpp"

#include <chrono>
#include <cstddef>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "serverprep/run_program.hpp"

namespace dsr::serverprep {
namespace {

constexpr std::chrono::milliseconds kLimit{10'000};
constexpr std::size_t kMost = 64U << 20U;

std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

bool has_legacy_tables() {
    // Only root reads it, and only the legacy modules make it.
    std::ifstream names("/proc/net/ip_tables_names");
    std::string name;
    return static_cast<bool>(names >> name);
}

class Reader {
public:
    PacketFilterText read() {
        text_.nft_json = ask(FilterSource::nft, {"nft", "-j", "list", "ruleset"});
        if (!text_.nft_json.empty()) text_.nft_listing = ask(FilterSource::nft, {"nft", "-a", "list", "ruleset"});
        if (has_iptables_rules()) text_.iptables_nft = ask(FilterSource::iptables_nft, {"iptables-nft-save"});
        if (has_legacy_tables()) text_.iptables_legacy = ask(FilterSource::iptables_legacy, {"iptables-legacy-save"});
        return std::move(text_);
    }

private:
    // Tables of iptables' names; also without {"xt": …}, for the command that deletes a rule.
    [[nodiscard]] bool has_iptables_rules() const {
        return text_.nft_listing.find("\ntable ip ") != std::string::npos || text_.nft_listing.starts_with("table ip ");
    }

    std::string ask(FilterSource source, std::vector<std::string> command) {
        const std::string name = command[0];
        command[0] = find_program(name);
        if (command[0].empty()) {
            text_.not_looked.push_back({source, true, fmt::format("'{}' is not installed", name)});
            return {};
        }
        auto output = run_program(command, kLimit, kMost);
        if (output && output->status == 0) return std::move(output->out);
        text_.not_looked.push_back(
            {source, false,
             output ? fmt::format("'{}' failed: {}", name, first_line(output->err)) : output.error().message});
        return {};
    }

    PacketFilterText text_;
};

}  // namespace

PacketFilterText read_packet_filter() {
    return Reader().read();
}

}  // namespace dsr::serverprep
