#include "serverprep/watch/metrics.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include <sys/stat.h>

#include "serverprep/small_file.hpp"

using namespace dsr;
using namespace dsr::serverprep;
using namespace std::chrono_literals;

namespace {

Metrics everything() {
    Metrics metrics;
    metrics.ok = true;
    metrics.vips = 2;
    metrics.findings = {{"no-listener", Severity::warning, "203.0.113.10", "nothing listens", "", true},
                        {"of-tomorrow", Severity::error, "host", "not in the list", "", true}};
    metrics.repairs = {{"address 203.0.113.10/32 dev lo label lo:0", 3}, {"odd \"name\"\\\n", 1}};
    metrics.fights = 1;
    metrics.last_check = Metrics::Time{} + 1700000000250ms;
    metrics.last_repair = Metrics::Time{} + 1700000000s;
    metrics.decapsulation = {{"accepted", 7}};
    return metrics;
}

// The text format 0.0.4, strictly: each family has HELP, then TYPE, then its samples, and comes once; no series twice.
void check_format(const std::string& text) {
    static const std::regex help(R"(# HELP ([a-z_]+) [^\\]+)");
    static const std::regex type(R"(# TYPE ([a-z_]+) (counter|gauge))");
    static const std::regex sample(
        R"(([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? ([0-9.]+))");
    REQUIRE(text.ends_with('\n'));
    std::istringstream lines(text);
    std::set<std::string> families, series;
    std::string family, kind, line;
    while (std::getline(lines, line)) {
        INFO(line);
        std::smatch match;
        if (std::regex_match(line, match, help)) {
            family = match[1];
            kind.clear();
            CHECK(families.insert(family).second);
        } else if (std::regex_match(line, match, type)) {
            CHECK(match[1] == family);
            kind = match[2];
        } else {
            REQUIRE(std::regex_match(line, match, sample));
            CHECK(match[1] == family);
            REQUIRE_FALSE(kind.empty());
            CHECK((kind == "counter") == family.ends_with("_total"));
            CHECK(series.insert(match[1].str() + match[2].str()).second);
        }
    }
}

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

}  // namespace

TEST_CASE("metrics are in the text format, with everything and with nothing") {
    check_format(render(everything()));
    check_format(render({}));
}

TEST_CASE("metrics say what the guard knows") {
    const std::string text = render(everything());
    for (const char* line : {"serverprep_ok 1", "serverprep_vips 2", "serverprep_fights 1",
                             "serverprep_build_info{version=\"" DSR_VERSION "\"} 1",
                             "serverprep_finding{id=\"no-listener\",severity=\"warning\"} 1",
                             "serverprep_finding{id=\"no-listener\",severity=\"error\"} 0",
                             "serverprep_finding{id=\"vip-missing\",severity=\"error\"} 0",
                             "serverprep_finding{id=\"of-tomorrow\",severity=\"error\"} 1",
                             "serverprep_repairs_total{object=\"address 203.0.113.10/32 dev lo label lo:0\"} 3",
                             R"(serverprep_repairs_total{object="odd \"name\"\\\n"} 1)",
                             "serverprep_last_check_timestamp_seconds 1700000000.250",
                             "serverprep_last_repair_timestamp_seconds 1700000000.000",
                             "serverprep_decapsulation_packets_total{result=\"accepted\"} 7"}) {
        INFO(line << "\n" << text);
        CHECK(has_line(text, line));
    }
}

TEST_CASE("the same ids have lines whether or not there is a finding") {
    Metrics one;
    one.findings = {{"arp-ignore", Severity::error, "eth0", "answers", "", false}};
    const auto count = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
    CHECK(count(render(one)) == count(render({})));
}

TEST_CASE("the metrics file is replaced whole and readable by anybody") {
    char directory[] = "/tmp/dsr-metrics-XXXXXX";
    REQUIRE(::mkdtemp(directory) != nullptr);
    const std::string path = std::string(directory) + "/serverprep.prom";
    const auto old_mask = ::umask(0077);
    REQUIRE(replace_file(path, "first\n"));
    std::ifstream reader(path);
    REQUIRE(replace_file(path, "second\n"));
    ::umask(old_mask);
    const auto all = [](std::istream& in) { return std::string(std::istreambuf_iterator<char>(in), {}); };
    CHECK(all(reader) == "first\n");
    std::ifstream again(path);
    CHECK(all(again) == "second\n");
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0644);
    CHECK(std::distance(std::filesystem::directory_iterator(directory), {}) == 1);
    std::filesystem::remove_all(directory);
    const auto refused = replace_file(path, "third\n");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "cannot write '" + path + "': No such file or directory");
}
