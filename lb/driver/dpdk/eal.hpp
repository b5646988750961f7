// DPDK's environment abstraction layer (EAL), once in the life of a process: started, asked what it complains about,
// and ended with all memory given back. Nothing that it prints reaches the terminal.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/unique_fd.hpp"
#include "lb/driver/dpdk/device.hpp"

namespace dsr::lb {

// Keeps what is printed to standard output and error while it lives from being seen: DPDK and the libraries under its
// drivers print what is no message to an operator, whole manuals even.
class SilencedOutput {
public:
    SilencedOutput();
    SilencedOutput(const SilencedOutput&) = delete;
    SilencedOutput& operator=(const SilencedOutput&) = delete;
    ~SilencedOutput();
    [[nodiscard]] std::string first_line() const;

private:
    sys::UniqueFd capture_;
    std::array<sys::UniqueFd, 2> saved_;
};

class Eal {
public:
    // `arguments`: see eal_arguments(). The calling thread keeps its CPU affinity.
    static Result<std::unique_ptr<Eal>> start(const std::vector<std::string>& arguments);
    Eal(const Eal&) = delete;
    Eal& operator=(const Eal&) = delete;
    ~Eal();

    // Makes a virtual device; a PCI device was found at the start. Returns DPDK's number of its port.
    Result<std::uint16_t> probe(const DpdkDevice& device);

    // What DPDK has complained of since it was asked last, oldest first.
    static std::vector<std::string> complaints();
    // The first of these, for those behind it are its consequences; as the end of a sentence: ": it said '…'", or "".
    static std::string first_complaint();

private:
    Eal() = default;
};

}  // namespace dsr::lb
