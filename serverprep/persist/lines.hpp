// Configuration text by numbered lines. Knows no format.
#pragma once

#include <string_view>

namespace dsr::serverprep::persist {

inline std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    const std::size_t begin = text.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// Calls each(line without blanks around it, its number from 1); lines that are empty or comments are left out.
template <typename Each>
void for_each_line(std::string_view text, Each each) {
    for (int number = 1; !text.empty(); ++number) {
        const std::size_t end = text.find('\n');
        const std::string_view line = trimmed(text.substr(0, end));
        if (!line.empty() && line.front() != '#' && line.front() != ';') each(line, number);
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    }
}

}  // namespace dsr::serverprep::persist
