#include "lb/control/console.hpp"

#include <cstdio>

#include "common/config/reader.hpp"

namespace dsr::lb {

void say(const std::string& message) {
    std::fprintf(stderr, "lb: %s\n", message.c_str());
}

std::optional<config::Config> read_config(const std::string& path) {
    auto config = config::read_file(path);
    if (config) return *std::move(config);
    for (const auto& problem : config.error())
        std::fprintf(stderr, "%s\n", to_string(problem).c_str());
    return std::nullopt;
}

}  // namespace dsr::lb
