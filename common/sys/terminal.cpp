#include "common/sys/terminal.hpp"

#include <algorithm>
#include <cstdlib>

#include <unistd.h>

namespace dsr::sys {

Painter::Painter(std::FILE* stream) {
    const char* no_color = std::getenv("NO_COLOR");
    enabled_ = (no_color == nullptr || *no_color == '\0') && ::isatty(::fileno(stream)) == 1;
}

std::string Painter::paint(Colour colour, std::string_view text) const {
    static constexpr std::string_view kCodes[] = {"",         "\033[1m",  "\033[2m", "\033[31m",
                                                  "\033[32m", "\033[33m", "\033[36m"};
    if (!enabled_ || colour == Colour::plain) return std::string(text);
    return std::string(kCodes[static_cast<unsigned>(colour)]).append(text).append("\033[0m");
}

std::string format_table(const std::vector<std::vector<Cell>>& rows, const Painter& painter) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()), 0);
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], row[i].text.size());
    }
    std::string out;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += painter.paint(row[i].colour, row[i].text);
            if (i + 1 < row.size()) out.append(widths[i] - row[i].text.size() + 2, ' ');
        }
        out += '\n';
    }
    return out;
}

}  // namespace dsr::sys
