#include "lb/doctor/files.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace dsr::lb::doctor {
namespace {

// More cores than any kernel is built for: a range beyond is no set of cores.
constexpr std::uint64_t kMostCores = 65536;

}  // namespace

std::optional<std::string> read_text(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (file.bad()) return std::nullopt;
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    return text;
}

std::optional<std::uint64_t> parse_unsigned(std::string_view text, int base) {
    std::uint64_t number = 0;
    const char* begin = text.data();
    const char* end = begin + text.size();
    const auto [stop, error] = std::from_chars(begin, end, number, base);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return number;
}

std::optional<std::uint64_t> read_unsigned(const std::string& path) {
    const auto text = read_text(path);
    if (!text) return std::nullopt;
    return text->starts_with("0x") ? parse_unsigned(std::string_view(*text).substr(2), 16) : parse_unsigned(*text, 10);
}

std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error))
        names.push_back(entry->path().filename().string());
    std::ranges::sort(names);
    return names;
}

std::string link_target(const std::string& path) {
    std::error_code error;
    return std::filesystem::read_symlink(path, error).filename().string();
}

Cores parse_cores(std::string_view text) {
    Cores cores;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto range = text.substr(0, comma);
        text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
        const auto dash = range.find('-');
        const auto first = parse_unsigned(range.substr(0, dash), 10);
        const auto last = dash == std::string_view::npos ? first : parse_unsigned(range.substr(dash + 1), 10);
        if (!first || !last || *last >= kMostCores) continue;
        for (std::uint64_t core = *first; core <= *last; ++core)
            cores.insert(static_cast<std::uint32_t>(core));
    }
    return cores;
}

std::string cores_text(const Cores& cores) {
    std::string text;
    for (auto core = cores.begin(); core != cores.end();) {
        const std::uint32_t first = *core;
        std::uint32_t last = first;
        for (++core; core != cores.end() && *core == last + 1; ++core)
            last = *core;
        text += (text.empty() ? "" : ",") + std::to_string(first);
        if (last != first) text += "-" + std::to_string(last);
    }
    return text;
}

}  // namespace dsr::lb::doctor
