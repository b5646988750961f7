// Another program, run for what it prints or does: no shell, an environment of nothing, an end at the latest by a
// limit. Knows no program.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "common/sys/error.hpp"

namespace dsr::serverprep {

// What a program printed and how it ended.
struct ProgramOutput {
    int status = 0;  // 128 + signal if a signal ended it
    std::string out{};
    std::string err{};  // the first 4 KB
};

// Runs a program by its absolute path, without a shell, with an environment and an input of nothing. Fails when it
// cannot be started, prints more than `most` bytes, or runs longer than `limit`.
Result<ProgramOutput> run_program(const std::vector<std::string>& command, std::chrono::milliseconds limit,
                                  std::size_t most);

// In /usr/sbin, /sbin, /usr/bin and /bin, whatever PATH says; empty if it is in none of them.
std::string find_program(const std::string& name);

}  // namespace dsr::serverprep
