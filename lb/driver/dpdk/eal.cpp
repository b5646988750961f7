#include "lb/driver/dpdk/eal.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <string_view>

#include <fcntl.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

namespace dsr::lb {
namespace {

constexpr std::array<int, 2> kOutputs{STDOUT_FILENO, STDERR_FILENO};

// The errors that were logged, by any thread.
class Complaints {
public:
    void note(std::string_view text) {
        while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
            text.remove_suffix(1);
        const std::lock_guard lock(mutex_);
        if (!text.empty() && lines_.size() < kMost) lines_.emplace_back(text);
    }
    std::vector<std::string> take() {
        const std::lock_guard lock(mutex_);
        return std::exchange(lines_, {});
    }

private:
    static constexpr std::size_t kMost = 100;  // what a driver says over and over again
    std::mutex mutex_;
    std::vector<std::string> lines_;
};

Complaints& log() {
    static Complaints instance;
    return instance;
}

std::string quoted(const std::string& line) {
    return ": it said '" + line + "'";
}

ssize_t take_log(void* /*cookie*/, const char* bytes, std::size_t size) {
    if (rte_log_cur_msg_loglevel() <= static_cast<int>(RTE_LOG_ERR)) log().note({bytes, size});
    return static_cast<ssize_t>(size);
}

// DPDK writes to this instead of standard error and syslog.
void capture_log() {
    static std::FILE* const stream =
        ::fopencookie(nullptr, "w", {.read = nullptr, .write = &take_log, .seek = nullptr, .close = nullptr});
    std::setvbuf(stream, nullptr, _IOLBF, 1024);
    rte_openlog_stream(stream);
}

// The EAL ties the thread that starts it to one core; it is our control thread, which may run anywhere.
class KeptAffinity {
public:
    KeptAffinity() { known_ = ::sched_getaffinity(0, sizeof mask_, &mask_) == 0; }
    KeptAffinity(const KeptAffinity&) = delete;
    KeptAffinity& operator=(const KeptAffinity&) = delete;
    ~KeptAffinity() {
        if (known_) (void)::sched_setaffinity(0, sizeof mask_, &mask_);
    }

private:
    cpu_set_t mask_{};
    bool known_ = false;
};

int init(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "lb");
    // It permutes and keeps them.
    static std::vector<std::string> kept;
    kept = std::move(arguments);
    std::vector<char*> pointers;
    for (std::string& argument : kept)
        pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    const KeptAffinity affinity;
    const SilencedOutput silence;
    const int result = rte_eal_init(static_cast<int>(kept.size()), pointers.data());
    // Before the EAL prints its manual, getopt(3) says which argument it does not know, behind the program's name.
    const std::string line = silence.first_line();
    if (result < 0 && line.find("option") != std::string::npos) log().note(line.substr(line.find(": ") + 2));
    return result;
}

}  // namespace

SilencedOutput::SilencedOutput() : capture_(::memfd_create("dpdk-output", MFD_CLOEXEC)) {
    std::fflush(nullptr);
    for (std::size_t i = 0; i < saved_.size(); ++i) {
        saved_[i] = sys::UniqueFd(::fcntl(kOutputs[i], F_DUPFD_CLOEXEC, 3));
        if (capture_.valid() && saved_[i].valid()) ::dup2(capture_.get(), kOutputs[i]);
    }
}

SilencedOutput::~SilencedOutput() {
    std::fflush(nullptr);
    for (std::size_t i = 0; i < saved_.size(); ++i)
        if (saved_[i].valid()) ::dup2(saved_[i].get(), kOutputs[i]);
}

std::string SilencedOutput::first_line() const {
    std::fflush(nullptr);
    std::array<char, 256> text{};
    const auto size = ::pread(capture_.get(), text.data(), text.size(), 0);
    const std::string_view all(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    return std::string(all.substr(0, all.find('\n')));
}

Result<std::unique_ptr<Eal>> Eal::start(const std::vector<std::string>& arguments) {
    capture_log();
    if (init(arguments) < 0) {
        std::string text = "DPDK cannot be started (arguments:";
        for (const std::string& argument : arguments)
            text += " " + argument;
        // The EAL goes on after some errors (a device driver that cannot be loaded): the last one has ended it.
        const auto lines = complaints();
        text += ")" + (lines.empty() ? "" : quoted(lines.back()));
        return fail(text + "; see also: lb doctor");
    }
    (void)first_complaint();
    return std::unique_ptr<Eal>(new Eal);
}

Eal::~Eal() {
    const SilencedOutput silence;
    const std::string directory = rte_eal_get_runtime_dir();
    rte_eal_cleanup();
    // It is ours alone, by its name.
    std::error_code ignored;
    if (directory.find("/dsr-lb-") != std::string::npos) std::filesystem::remove_all(directory, ignored);
}

Result<std::uint16_t> Eal::probe(const DpdkDevice& device) {
    if (!device.pci() && rte_dev_probe(device.devargs().c_str()) != 0)
        return fail("device '" + device.devargs() + "' cannot be opened" + first_complaint());
    std::uint16_t port = 0;
    if (rte_eth_dev_get_port_by_name(device.name.c_str(), &port) != 0)
        return fail("device '" + device.name + "' was not found by DPDK" + first_complaint() +
                    "; 'lb doctor' says which driver it is bound to, and what else is amiss");
    (void)first_complaint();
    return port;
}

std::vector<std::string> Eal::complaints() {
    return log().take();
}

std::string Eal::first_complaint() {
    const auto lines = complaints();
    return lines.empty() ? "" : quoted(lines.front());
}

}  // namespace dsr::lb
