#include "serverprep/kernel/bpf_program_maps.hpp"

#include <cerrno>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "serverprep/kernel/libbpf_words.hpp"

namespace dsr::serverprep {
namespace {

constexpr const char* kSettings = "settings";

// The section .rodata is a map named by object and section; it holds the settings alone.
std::string source_name(const std::string& name) {
    return name.ends_with(".rodata") ? kSettings : name;
}

// Calls take(key) for every key of a map whose key is a `Key`; 0 or an errno.
template <typename Key, typename Take>
int for_each_key(int map, const Take& take) {
    Key key{};
    for (const Key* previous = nullptr; bpf_map_get_next_key(map, previous, &key) == 0; previous = &key)
        take(key);
    return errno == ENOENT ? 0 : errno;
}

Result<std::vector<std::uint32_t>> map_ids(int program) {
    const LibbpfWords words;
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(program, &info, &size) != 0) return fail(words.why(errno));
    std::vector<std::uint32_t> ids(info.nr_map_ids);
    info = {};
    info.nr_map_ids = static_cast<std::uint32_t>(ids.size());
    info.map_ids = reinterpret_cast<std::uintptr_t>(ids.data());
    size = sizeof info;
    if (bpf_obj_get_info_by_fd(program, &info, &size) != 0) return fail(words.why(errno));
    return ids;
}

}  // namespace

Result<std::optional<BpfProgramMaps>> BpfProgramMaps::open(std::uint32_t program_id) {
    const LibbpfWords words;
    const sys::UniqueFd program(bpf_prog_get_fd_by_id(program_id));
    if (!program.valid()) {
        if (errno == ENOENT) return std::nullopt;
        return fail(words.why(errno));
    }
    auto ids = map_ids(program.get());
    if (!ids) return std::unexpected(ids.error());
    BpfProgramMaps opened;
    for (std::uint32_t id : *ids) {
        Map map{.fd = sys::UniqueFd(bpf_map_get_fd_by_id(id))};
        bpf_map_info info{};
        std::uint32_t size = sizeof info;
        if (!map.fd.valid() || bpf_obj_get_info_by_fd(map.fd.get(), &info, &size) != 0) return fail(words.why(errno));
        map.value_size = info.value_size;
        map.max_entries = info.max_entries;
        opened.maps_.emplace(source_name(info.name), std::move(map));
    }
    return opened;
}

const BpfProgramMaps::Map* BpfProgramMaps::find(const std::string& name) const {
    const auto at = maps_.find(name);
    return at == maps_.end() ? nullptr : &at->second;
}

Result<std::optional<dsr_filter_settings>> BpfProgramMaps::settings() const {
    const LibbpfWords words;
    const Map* map = find(kSettings);
    dsr_filter_settings settings{};
    if (map == nullptr || map->value_size != sizeof settings) return std::nullopt;
    const std::uint32_t only = 0;
    if (bpf_map_lookup_elem(map->fd.get(), &only, &settings) != 0) return fail(words.why(errno));
    if (settings.abi != DSR_FILTER_ABI) return std::nullopt;
    return settings;
}

Result<std::set<wire::Ipv4Address>> BpfProgramMaps::addresses(const std::string& name) const {
    std::set<wire::Ipv4Address> found;
    const Map* map = find(name);
    if (map == nullptr) return found;
    const int error = for_each_key<std::uint32_t>(
        map->fd.get(), [&](std::uint32_t key) { found.insert(wire::Ipv4Address(wire::be32::from_raw(key))); });
    if (error != 0) return fail(LibbpfWords().why(error));
    return found;
}

Result<std::set<wire::Ipv4Prefix>> BpfProgramMaps::prefixes(const std::string& name) const {
    std::set<wire::Ipv4Prefix> found;
    const Map* map = find(name);
    if (map == nullptr) return found;
    const int error = for_each_key<dsr_source>(map->fd.get(), [&](const dsr_source& key) {
        found.insert({wire::Ipv4Address(wire::be32::from_raw(key.address)), static_cast<std::uint8_t>(key.length)});
    });
    if (error != 0) return fail(LibbpfWords().why(error));
    return found;
}

Result<std::vector<std::uint64_t>> BpfProgramMaps::counters() const {
    const LibbpfWords words;
    std::vector<std::uint64_t> sums(DSR_FILTER_COUNTERS);
    const Map* map = find("counters");
    const int processors = libbpf_num_possible_cpus();
    if (map == nullptr || processors < 0 || map->value_size != sizeof sums[0] || map->max_entries != sums.size())
        return fail("it has no counters that this version of serverprep knows");
    std::vector<std::uint64_t> values(static_cast<std::size_t>(processors));
    for (std::uint32_t counter = 0; counter < sums.size(); ++counter) {
        if (bpf_map_lookup_elem(map->fd.get(), &counter, values.data()) != 0) return fail(words.why(errno));
        for (std::uint64_t value : values)
            sums[counter] += value;
    }
    return sums;
}

int BpfProgramMaps::counters_descriptor() const {
    const Map* map = find("counters");
    return map == nullptr ? -1 : map->fd.get();
}

}  // namespace dsr::serverprep
