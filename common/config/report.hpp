// Collects what is wrong with a configuration file and puts user text into messages safely.
// Knows nothing of YAML, nor of what the values mean.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/reader.hpp"

namespace dsr::config {

// A place in the file; line and column count from 1, columns in characters.
struct Mark {
    std::size_t line = 0;
    std::size_t column = 0;
};

// User text in single quotes, on one line and of bounded length: control characters are escaped, long text is cut.
std::string quoted(std::string_view text);

class Report {
public:
    explicit Report(std::string_view file) : file_(file) {}

    // `path` names the value ("pools[0].servers[2].address"), `reason` is the rest of the sentence.
    void add(Mark mark, std::string_view path, std::string_view reason);
    // About the file as a whole.
    void add(std::string_view reason);

    [[nodiscard]] bool empty() const { return problems_.empty(); }
    // All problems in the order of the file.
    [[nodiscard]] std::vector<Problem> sorted() &&;

private:
    std::string file_;
    std::vector<Problem> problems_;
};

}  // namespace dsr::config
