#include <sstream>

#include "lb/doctor/files.hpp"
#include "lb/doctor/observe.hpp"

namespace dsr::lb::doctor {
namespace {

// What follows `key` on the line of `text` that begins with it, blanks cut off.
std::string value_of(const std::string& text, std::string_view key) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(key)) continue;
        const auto begin = line.find_first_not_of(" \t", key.size());
        return begin == std::string::npos ? std::string() : line.substr(begin);
    }
    return {};
}

// "8388608   unlimited   bytes": the soft limit, which is what counts.
std::optional<std::uint64_t> limit_of(const std::string& limits) {
    const std::string value = value_of(limits, "Max locked memory");
    return parse_unsigned(std::string_view(value).substr(0, value.find(' ')), 10);
}

// cgroup v2: "0::/path"; v1: "3:cpuset:/path". In a container, the path may be one that is not visible here.
std::optional<Cores> cpuset_of(const std::string& root) {
    std::istringstream lines(read_text(root + "/proc/self/cgroup").value_or(""));
    for (std::string line; std::getline(lines, line);) {
        const auto path = line.substr(line.rfind(':') + 1);
        std::string file;
        if (line.starts_with("0::"))
            file = root + "/sys/fs/cgroup" + path + "/cpuset.cpus.effective";
        else if (line.find(":cpuset:") != std::string::npos)
            file = root + "/sys/fs/cgroup/cpuset" + path + "/cpuset.effective_cpus";
        if (file.empty()) continue;
        if (const auto text = read_text(file); text && !text->empty()) return parse_cores(*text);
    }
    return std::nullopt;
}

}  // namespace

Process observe_process(const std::string& root) {
    const std::string status = read_text(root + "/proc/self/status").value_or("");
    Process process;
    process.capabilities = parse_unsigned(value_of(status, "CapEff:"), 16).value_or(0);
    process.affinity = parse_cores(value_of(status, "Cpus_allowed_list:"));
    process.memlock = limit_of(read_text(root + "/proc/self/limits").value_or(""));
    process.cpuset = cpuset_of(root);
    return process;
}

}  // namespace dsr::lb::doctor
