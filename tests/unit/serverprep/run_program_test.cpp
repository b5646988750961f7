#include "serverprep/run_program.hpp"

#include <catch2/catch.hpp>

using namespace dsr::serverprep;
using namespace std::chrono_literals;

TEST_CASE("a program's output, errors and status are had") {
    const auto output = run_program({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"}, 10s, 100);
    REQUIRE(output);
    CHECK(output->out == "out\n");
    CHECK(output->err == "err\n");
    CHECK(output->status == 3);
}

TEST_CASE("a program gets no input and no environment but the locale and the usual path") {
    const auto output = run_program({"/usr/bin/env"}, 10s, 1000);
    REQUIRE(output);
    CHECK(output->out == "LC_ALL=C\nPATH=/usr/sbin:/sbin:/usr/bin:/bin\n");
    CHECK(run_program({"/bin/cat"}, 10s, 100)->out.empty());
}

TEST_CASE("a program that prints without end is stopped") {
    CHECK(run_program({"/usr/bin/yes"}, 10s, 1U << 20U).error().message ==
          "'/usr/bin/yes' was stopped: it prints more than 1 MB");
}

TEST_CASE("a program that does not end is stopped") {
    CHECK(run_program({"/bin/sleep", "1000"}, 50ms, 100).error().message ==
          "'/bin/sleep' was stopped: it did not end in time");
}

TEST_CASE("a program that closes its output and does not end is stopped") {
    CHECK(run_program({"/bin/sh", "-c", "exec sleep 1000 >&- 2>&-"}, 100ms, 100).error().message ==
          "'/bin/sh' was stopped: it did not end in time");
}

TEST_CASE("a program killed by a signal has a status of its own") {
    CHECK(run_program({"/bin/sh", "-c", "kill -9 $$"}, 10s, 100)->status == 128 + 9);
}

TEST_CASE("what is not there cannot be run") {
    CHECK(run_program({"/nowhere/nft"}, 10s, 100).error().message ==
          "cannot run '/nowhere/nft': No such file or directory");
    CHECK(find_program("no-such-program").empty());
    CHECK(find_program("sh").starts_with("/"));
}
