#include "common/config/report.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace dsr::config {
namespace {

constexpr std::size_t kQuotedLimit = 80;  // bytes of user text shown

void append_escaped(std::string& out, char c) {
    static constexpr char kHex[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
        out += c;
    } else if (c == '\n') {
        out += "\\n";
    } else if (c == '\t') {
        out += "\\t";
    } else {
        out += "\\x";
        out += kHex[byte >> 4U];
        out += kHex[byte & 15U];
    }
}

}  // namespace

std::string quoted(std::string_view text) {
    std::size_t length = std::min(text.size(), kQuotedLimit);
    // Never cut inside a UTF-8 character: its later bytes are 10xxxxxx.
    while (length < text.size() && length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0U) == 0x80U)
        --length;
    std::string out = "'";
    for (const char c : text.substr(0, length))
        append_escaped(out, c);
    if (length < text.size()) out += "...";
    return out += "'";
}

void Report::add(Mark mark, std::string_view path, std::string_view reason) {
    problems_.push_back({file_, mark.line, mark.column, std::string(path).append(": ").append(reason)});
}

void Report::add(std::string_view reason) {
    problems_.push_back({file_, 0, 0, std::string(reason)});
}

std::vector<Problem> Report::sorted() && {
    std::ranges::sort(problems_, {}, [](const Problem& one) { return std::tie(one.line, one.column, one.message); });
    return std::move(problems_);
}

std::string to_string(const Problem& problem) {
    if (problem.line == 0) return problem.file + ": " + problem.message;
    return problem.file + ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column) + ": " +
           problem.message;
}

}  // namespace dsr::config
