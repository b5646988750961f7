// Terminal text and file descriptors.
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

#include "common/sys/terminal.hpp"
#include "common/sys/unique_fd.hpp"

using namespace dsr::sys;

namespace {

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}

}  // namespace

TEST_CASE("text is painted only when painting is enabled, and plain text never") {
    CHECK(Painter(true).paint(Colour::red, "no") == "\033[31mno\033[0m");
    CHECK(Painter(true).paint(Colour::cyan, "x") == "\033[36mx\033[0m");
    CHECK(Painter(true).paint(Colour::plain, "x") == "x");
    CHECK(Painter(false).paint(Colour::red, "no") == "no");
}

TEST_CASE("a stream that is no terminal gets no colour") {
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    CHECK_FALSE(Painter(file).enabled());
    std::fclose(file);
}

TEST_CASE("columns are aligned two spaces apart and nothing trails") {
    const Painter plain(false);
    CHECK(format_table({{{"a"}, {"bb"}, {"c"}}, {{"aaa"}, {"b"}, {"ccc"}}}, plain) == "a    bb  c\naaa  b   ccc\n");
    CHECK(format_table({}, plain).empty());
}

TEST_CASE("rows of different lengths share their columns") {
    CHECK(format_table({{{"one"}}, {{"x"}, {"y"}}}, Painter(false)) == "one\nx    y\n");
}

TEST_CASE("colour does not shift a column") {
    CHECK(format_table({{{"a", Colour::green}, {"b"}}, {{"aaa"}, {"b"}}}, Painter(true)) ==
          "\033[32ma\033[0m    b\naaa  b\n");
}

TEST_CASE("a descriptor is closed when its owner ends, and once only") {
    int raw = -1;
    {
        UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        REQUIRE(fd.valid());
        raw = fd.get();
        UniqueFd moved(std::move(fd));
        CHECK(is_open(raw));
        CHECK(moved.get() == raw);
    }
    CHECK_FALSE(is_open(raw));
}

TEST_CASE("assigning a descriptor closes the one held before") {
    UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd second(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int before = first.get();
    const int after = second.get();
    first = std::move(second);
    CHECK_FALSE(is_open(before));
    CHECK(first.get() == after);
    first.reset();
    CHECK_FALSE(is_open(after));
    CHECK_FALSE(first.valid());
}
