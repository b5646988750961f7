// Any text as a configuration: it is read, or every problem is one line with a place inside the text.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/config/reader.hpp"

namespace {

using namespace dsr::config;

void require(bool holds) {
    if (!holds) std::abort();
}

// No fewer lines than any reader of the text would count: YAML also ends lines at CR, NEL, LS and PS.
std::size_t most_lines(std::string_view text) {
    std::size_t lines = 1;
    for (const char c : text)
        if (c == '\n' || c == '\r' || static_cast<unsigned char>(c) >= 0x80) ++lines;
    return lines;
}

void check_problems(const std::vector<Problem>& problems, std::string_view text) {
    require(!problems.empty());
    const std::size_t lines = most_lines(text);
    for (const Problem& problem : problems) {
        require(problem.line >= 1 && problem.line <= lines);
        require(problem.column >= 1 && problem.column <= text.size() + 1);
        require(problem.message.find(": ") != std::string::npos);
        require(std::ranges::none_of(to_string(problem), [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
        require(problem.message.size() < 1500);
    }
    require(std::ranges::is_sorted(problems, {}, [](const Problem& one) { return std::pair(one.line, one.column); }));
}

void check_config(const Config& config) {
    const auto& balancer = config.load_balancer;
    require(!balancer.interfaces.empty() && balancer.interfaces.size() <= 2);
    require(balancer.workers >= 1 && balancer.flow_table_entries >= 4);
    for (const auto& pool : config.pools)
        require(!pool.name.empty() && !pool.servers.empty());
    for (const auto& service : config.virtual_services) {
        require(service.pool < config.pools.size());
        require(service.network_profile < config.network_profiles.size());
        require(!service.ports.empty() && !service.vip.is_unspecified());
        for (std::size_t i = 0; i < service.ports.size(); ++i) {
            require(service.ports[i].first >= 1 && service.ports[i].first <= service.ports[i].last);
            if (i > 0) require(service.ports[i - 1].last < service.ports[i].first);
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto result = read_text(text, "F");
    if (result)
        check_config(*result);
    else
        check_problems(result.error(), text);
    return 0;
}
