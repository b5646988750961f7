#include "lb/doctor/files.hpp"
#include "lb/doctor/observe.hpp"

namespace dsr::lb::doctor {
namespace {

constexpr std::string_view kPool = "hugepages-";
constexpr std::string_view kNode = "node";

// Directories "hugepages-2048kB" with counts in them.
void read_pools(const std::string& directory, int node, std::vector<HugePages>& pools) {
    for (const auto& name : names_in(directory)) {
        if (!name.starts_with(kPool) || !name.ends_with("kB")) continue;
        const auto size =
            parse_unsigned(std::string_view(name).substr(kPool.size(), name.size() - kPool.size() - 2), 10);
        if (!size || *size == 0) continue;
        const std::string pool = directory + "/" + name;
        pools.push_back({node, *size, read_unsigned(pool + "/nr_hugepages").value_or(0),
                         read_unsigned(pool + "/free_hugepages").value_or(0)});
    }
}

// The number of "node3"; nullopt for what else lies there.
std::optional<int> node_number(const std::string& name) {
    if (!name.starts_with(kNode)) return std::nullopt;
    const auto number = parse_unsigned(std::string_view(name).substr(kNode.size()), 10);
    if (!number) return std::nullopt;
    return static_cast<int>(*number);
}

}  // namespace

std::vector<HugePages> observe_huge_pages(const std::string& root) {
    const std::string nodes = root + "/sys/devices/system/node";
    std::vector<HugePages> pools;
    for (const auto& name : names_in(nodes))
        if (const auto node = node_number(name)) read_pools(nodes + "/" + name + "/hugepages", *node, pools);
    if (pools.empty()) read_pools(root + "/sys/kernel/mm/hugepages", -1, pools);
    return pools;
}

std::uint64_t default_huge_page_kib(const std::string& root) {
    constexpr std::string_view kKey = "Hugepagesize:";
    const std::string text = read_text(root + "/proc/meminfo").value_or("");
    const auto found = text.find(kKey);
    if (found == std::string::npos) return 2048;
    const auto begin = text.find_first_not_of(' ', found + kKey.size());
    if (begin == std::string::npos) return 2048;
    const auto end = text.find(' ', begin);
    return parse_unsigned(std::string_view(text).substr(begin, end - begin), 10).value_or(2048);
}

Processors observe_processors(const std::string& root) {
    const std::string system = root + "/sys/devices/system";
    Processors processors;
    processors.present = parse_cores(read_text(system + "/cpu/present").value_or(""));
    processors.online = parse_cores(read_text(system + "/cpu/online").value_or(""));
    for (const auto& name : names_in(system + "/node"))
        if (const auto node = node_number(name))
            processors.nodes.emplace(*node, parse_cores(read_text(system + "/node/" + name + "/cpulist").value_or("")));
    return processors;
}

}  // namespace dsr::lb::doctor
