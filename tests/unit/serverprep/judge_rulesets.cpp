// The evaluator of packet filters, for tests: judges packets by rulesets, and prints what it says.
//
//     judge_rulesets DIRECTORY < packets
//
// DIRECTORY holds nft.json, and perhaps nft.txt, iptables-nft and iptables-legacy. A packet is a line
// 'arriving|leaving LINK SOURCE DESTINATION PROTOCOL SPORT DPORT new|established', with '-' for what may be anything.
// Each gets a line of JSON: {"kind", "rule", "remarks", "fix"}.
#include <fstream>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "serverprep/firewall/ruleset.hpp"

namespace {

using namespace dsr::serverprep::firewall;

std::string file(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::optional<std::uint16_t> port(const std::string& text) {
    if (text == "-") return std::nullopt;
    return static_cast<std::uint16_t>(std::stoul(text));
}

FilteredPacket packet(const std::string& line) {
    std::istringstream stream(line);
    std::string direction, link, source, destination, protocol, from, to, state;
    stream >> direction >> link >> source >> destination >> protocol >> from >> to >> state;
    using Direction = FilteredPacket::Direction;
    return {.direction = direction == "arriving" ? Direction::arriving : Direction::leaving,
            .link = link,
            .source = dsr::wire::Ipv4Address::parse(source),
            .destination = dsr::wire::Ipv4Address::parse(destination),
            .protocol = static_cast<std::uint8_t>(std::stoul(protocol)),
            .source_port = port(from),
            .destination_port = port(to),
            .established = state == "established"};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const std::string directory = argv[1];
    const auto ruleset = Ruleset::parse({.nft_json = file(directory + "/nft.json"),
                                         .nft_listing = file(directory + "/nft.txt"),
                                         .iptables_nft = file(directory + "/iptables-nft"),
                                         .iptables_legacy = file(directory + "/iptables-legacy")});
    if (!ruleset) {
        std::cerr << ruleset.error().message << '\n';
        return 1;
    }
    for (std::string line; std::getline(std::cin, line);) {
        const FilterVerdict verdict = ruleset->judge(packet(line));
        std::cout << nlohmann::json{{"kind", to_string(verdict.kind)},
                                    {"rule", verdict.rule},
                                    {"remarks", verdict.remarks},
                                    {"fix", verdict.fix}}
                         .dump()
                  << std::endl;
    }
    return 0;
}
