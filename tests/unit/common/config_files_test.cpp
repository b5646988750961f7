// Every tests/config/NAME.yaml is either valid (valid-*.yaml) or gives exactly the messages of NAME.expected.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "common/config/reader.hpp"

namespace {

namespace fs = std::filesystem;

std::string read_bytes(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    REQUIRE(in.good());
    return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<fs::path> files_with_extension(const std::string& extension) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(DSR_TEST_DATA "/config"))
        if (entry.path().extension() == extension) found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
}

// The messages as `lb check` would print them, a line each.
std::string messages(const dsr::config::ReadResult& result) {
    std::string out;
    if (!result)
        for (const auto& problem : result.error())
            out += to_string(problem) + "\n";
    return out;
}

bool is_valid_file(const fs::path& path) {
    return path.filename().string().starts_with("valid-");
}

}  // namespace

TEST_CASE("every configuration in tests/config gives exactly the messages it should") {
    const auto files = files_with_extension(".yaml");
    for (const auto& path : files) {
        INFO(path.filename().string());
        const auto result = dsr::config::read_text(read_bytes(path), path.filename().string());
        const std::string expected =
            is_valid_file(path) ? "" : read_bytes(fs::path(path).replace_extension(".expected"));
        CHECK(messages(result) == expected);
        CHECK(result.has_value() == is_valid_file(path));
        if (!is_valid_file(path)) CHECK_FALSE(expected.empty());
    }
}

TEST_CASE("tests/config holds the files it is known to hold") {
    const auto files = files_with_extension(".yaml");
    const auto valid = std::ranges::count_if(files, is_valid_file);
    const auto expected = files_with_extension(".expected");
    CHECK(valid >= 12);
    CHECK(files.size() >= 136);
    CHECK(expected.size() == files.size() - static_cast<std::size_t>(valid));
}
